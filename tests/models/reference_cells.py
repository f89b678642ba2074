"""Every cell in numpy by its paper's equations: one sentence, one position, one gate at a time.

A cell is (params, x (E,), state, below) -> state, with params as the module names them, in nested
dictionaries. A state is h, or a tuple that begins with h.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gate(params, number, x, h):
    """W x + b + U h of one gate."""
    W, b, U = params["W"]["kernel"], params["W"]["bias"], params["U"]["kernel"]
    return x @ W[:, number] + b[number] + h @ U[:, number]


def vanilla_tanh(params, x, s, below=None):
    """Elman (1990), with tanh."""
    return np.tanh(gate(params, 0, x, s))


def vanilla_relu(params, x, s, below=None):
    """Le et al. (2015)."""
    return np.maximum(gate(params, 0, x, s), 0)


def gru_reset_before(params, x, s, below=None):
    """Bahdanau et al. (2015), appendix A.1.1."""
    W, b, U_n = params["W"]["kernel"], params["W"]["bias"], params["U_n"]["kernel"][:, 0]
    z, r = sigmoid(gate(params, 0, x, s)), sigmoid(gate(params, 1, x, s))
    proposal = np.tanh(x @ W[:, 2] + b[2] + (r * s) @ U_n)
    return (1 - z) * s + z * proposal


def gru_reset_after(params, x, s, below=None):
    """As cuDNN has it: the reset gate acts on what U_n made of the state."""
    W, b, U = params["W"]["kernel"], params["W"]["bias"], params["U"]["kernel"]
    z, r = sigmoid(gate(params, 0, x, s)), sigmoid(gate(params, 1, x, s))
    proposal = np.tanh(x @ W[:, 2] + b[2] + r * (s @ U[:, 2]))
    return (1 - z) * proposal + z * s


def lstm(params, x, state, below=None):
    """Gers et al. (2000), without peepholes; the gates are in the order i, f, o, g."""
    h, c = state
    i, f, o = (sigmoid(gate(params, number, x, h)) for number in range(3))
    c = f * c + i * np.tanh(gate(params, 3, x, h))
    return o * np.tanh(c), c


def lstm_peephole(params, x, state, below=None):
    """Gers and Schmidhuber (2000): i and f see the old memory, o the new one."""
    h, c = state
    p_i, p_f, p_o = params["peepholes"]
    i = sigmoid(gate(params, 0, x, h) + p_i * c)
    f = sigmoid(gate(params, 1, x, h) + p_f * c)
    c = f * c + i * np.tanh(gate(params, 3, x, h))
    o = sigmoid(gate(params, 2, x, h) + p_o * c)
    return o * np.tanh(c), c


def lstm_peephole_full(params, x, state, below=None):
    """The same with a matrix for each peephole."""
    h, c = state
    P = params["P"]["kernel"]
    i = sigmoid(gate(params, 0, x, h) + c @ P[:, 0])
    f = sigmoid(gate(params, 1, x, h) + c @ P[:, 1])
    c = f * c + i * np.tanh(gate(params, 3, x, h))
    o = sigmoid(gate(params, 2, x, h) + c @ params["P_o"]["kernel"][:, 0])
    return o * np.tanh(c), c


def lstm_coupled(params, x, state, below=None):
    """Greff et al. (2015), CIFG without peepholes: f = 1 - i; the order is i, o, g."""
    h, c = state
    i, o = sigmoid(gate(params, 0, x, h)), sigmoid(gate(params, 1, x, h))
    f = 1 - i
    c = f * c + i * np.tanh(gate(params, 2, x, h))
    return o * np.tanh(c), c


def lstm_depth_gated(params, x, state, below):
    """Yao et al. (2015): an LSTM with peepholes, and d, which lets the memory below in."""
    (h, c), (_, lower) = state, below
    p_i, p_f, p_o, p_d, q_d = params["peepholes"]
    W, b = params["W"]["kernel"], params["W"]["bias"]
    d = sigmoid(b[4] + x @ W[:, 4] + p_d * c + q_d * lower)
    i = sigmoid(gate(params, 0, x, h) + p_i * c)
    f = sigmoid(gate(params, 1, x, h) + p_f * c)
    c = d * lower + f * c + i * np.tanh(gate(params, 3, x, h))
    o = sigmoid(gate(params, 2, x, h) + p_o * c)
    return o * np.tanh(c), c


def lstm_nested(params, x, state, below=None):
    """Moniz and Krueger (2018): the memory is put out by an LSTM that reads i * g after f * c."""
    h, (c, inner) = state
    i, f, o = (sigmoid(gate(params, number, x, h)) for number in range(3))
    x_inner, h_inner = i * np.tanh(gate(params, 3, x, h)), f * c
    c, inner = lstm(params["inner"], x_inner, (h_inner, inner))
    return o * np.tanh(c), (c, inner)


def clockwork(params, x, state, below=None):
    """Koutník et al. (2014), unit by unit, with all of U, whose lower blocks are zero."""
    h, clock = state
    rows = [params["U"][key]["kernel"][:, 0] for key in sorted(params["U"], key=int)]
    size, H = rows[0].shape[1], len(h)
    U = np.zeros((H, H))  # from, to
    for module, row in enumerate(rows):
        U[module * size :, module * size : (module + 1) * size] = row
    W, b, new = params["W"]["kernel"][:, 0], params["W"]["bias"][0], h.copy()
    for unit in range(H):
        if clock[0] % 2 ** (unit // size) == 0:
            new[unit] = np.tanh(x @ W[:, unit] + b[unit] + h @ U[:, unit])
    return new, clock + 1


REFERENCE_CELLS = {
    cell.__name__: cell
    for cell in (
        vanilla_tanh,
        vanilla_relu,
        gru_reset_before,
        gru_reset_after,
        lstm,
        lstm_peephole,
        lstm_peephole_full,
        lstm_coupled,
        lstm_depth_gated,
        lstm_nested,
        clockwork,
    )
}
