"use strict";
// Draws one of the page's alignments as a table and follows the controls. The data come from
// matrix_html.py; their words reach the page as text alone, never as markup.
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const part = (id) => document.getElementById(id);
  const table = part("matrix");
  const state = {
    shown: 0, // which alignment
    layer: 0,
    head: 0,
    mode: "weights",
    thresholds: { weights: 0, best: 0, above: 0.2 }, // each mode keeps its own
  };
  let cells = []; // rows of td, EOS last

  const alignment = () => data.alignments[state.shown];
  const heads = () => alignment().layers[state.layer].heads;

  function element(name, className, text) {
    const made = document.createElement(name);
    made.className = className;
    if (text !== undefined) {
      const word = made.appendChild(document.createElement("span"));
      word.dir = "auto";
      word.textContent = word.title = text;
    }
    return made;
  }

  // ---- The table: built once for an alignment, painted again at every move of a control.

  function build() {
    const { source, target, gold } = alignment();
    const top = element("tr", "");
    top.append(element("td", "corner"));
    for (const word of source) top.append(element("th", "", word));
    top.append(element("th", "eos", "EOS"));
    for (const header of top.querySelectorAll("th")) header.scope = "col";
    table.tHead.replaceChildren(top);

    const rows = target.map((word) => {
      const row = element("tr", "");
      row.append(element("th", "", word));
      row.firstChild.scope = "row";
      for (let column = 0; column <= source.length; column++) {
        const cell = row.appendChild(element("td", column < source.length ? "cell" : "cell eos"));
        cell.setAttribute("role", "gridcell");
        cell.tabIndex = -1;
      }
      return row;
    });
    table.tBodies[0].replaceChildren(...rows);
    cells = rows.map((row) => [...row.cells].slice(1));
    for (const kind of gold ? ["possible", "sure"] : []) {
      for (const [s, t] of gold[kind]) {
        cells[t][s].classList.remove("possible");
        cells[t][s].classList.add(kind);
      }
    }
    const empty = !source.length || !target.length;
    table.hidden = empty;
    part("empty").hidden = !empty;
    if (!empty) cells[0][0].tabIndex = 0; // the one that the tab key reaches
    fitTop();
  }

  /** Makes room for the words on top: upright where all fit, otherwise leaning by 45 degrees. */
  function fitTop() {
    table.classList.remove("short"); // labels have their own width only while they lean
    const widths = (which) => [...table.tHead.querySelectorAll(which)].map((one) => one.offsetWidth);
    const longest = Math.max(0, ...widths("span"));
    table.style.setProperty("--top", `${Math.ceil((longest + 22) * Math.SQRT1_2) + 2}px`);
    table.classList.toggle("short", Math.max(0, ...widths("th:not(.eos) span")) <= 26);
  }

  function paint() {
    const view = heads()[state.head];
    const threshold = state.thresholds[state.mode];
    cells.forEach((row, t) => {
      row.forEach((cell, s) => {
        const weight = view.weights[t][s];
        const passes = weight >= threshold;
        const above = passes && weight > 0 && s < alignment().source.length; // EOS has no links
        const shown = { weights: weight * passes, best: view.links[t] === s && passes, above };
        cell.style.setProperty("--shown", Number(shown[state.mode]));
        cell.setAttribute("aria-label", describe(t, s).join(" "));
      });
    });
    paintControls();
    point(pointedAt()); // whose weight has changed
  }

  /** Source word, target word, weight and what is to be said of a cell, as texts. */
  function describe(t, s) {
    const { source, target } = alignment();
    const view = heads()[state.head];
    const cell = cells[t][s];
    const notes = [];
    if (view.links[t] === s) notes.push("best link");
    if (cell.classList.contains("sure")) notes.push("sure gold link");
    if (cell.classList.contains("possible")) notes.push("possible gold link");
    const weight = view.weights[t][s].toFixed(3);
    return [s < source.length ? source[s] : "EOS", target[t], weight, notes.join(", ")];
  }

  // ---- The controls

  function slider(name, stops, position) {
    const input = part(name);
    input.max = stops.length - 1;
    input.value = position;
    input.disabled = stops.length < 2;
    input.setAttribute("aria-valuetext", stops[position].name);
    part(`${name}-name`).textContent = stops[position].name;
  }

  function paintControls() {
    const { layers, gold, title } = alignment();
    const many = data.alignments.length > 1;
    slider("layer", layers, state.layer);
    slider("head", heads(), state.head);
    part("layer-control").hidden = layers.length < 2;
    part("head-control").hidden = layers.every((layer) => layer.heads.length < 2);
    part("threshold").value = state.thresholds[state.mode];
    part("threshold-value").textContent = state.thresholds[state.mode].toFixed(2);
    part("chooser").hidden = !many;
    part("gold-control").hidden = !gold;
    for (const key of document.querySelectorAll(".gold-key")) {
      key.hidden = !gold || !part("gold").checked;
    }
    table.classList.toggle("with-eos", part("eos").checked);
    document.body.classList.toggle("with-gold", part("gold").checked);

    const said = [many ? `${state.shown + 1}. ${title}` : ""]; // on paper, instead of controls
    for (const name of ["layer", "head"]) {
      if (!part(`${name}-control`).hidden) said.push(`${name} ${part(`${name}-name`).textContent}`);
    }
    said.push(document.querySelector("#modes :checked + span").textContent.toLowerCase());
    said.push(`threshold ${part("threshold-value").textContent}`);
    part("summary").textContent = said.filter(Boolean).join(" · ");
  }

  function moveTo(layer, head) {
    state.layer = layer;
    state.head = Math.min(head, heads().length - 1);
    paint();
  }

  function show(number) {
    state.shown = number;
    part("list").value = number;
    part("previous").disabled = !neighbour(-1);
    part("next").disabled = !neighbour(1);
    point(null);
    [state.layer, state.head] = alignment().start;
    build();
    paint();
  }

  part("layer").addEventListener("input", (event) => moveTo(+event.target.value, state.head));
  part("head").addEventListener("input", (event) => moveTo(state.layer, +event.target.value));
  part("threshold").addEventListener("input", (event) => {
    state.thresholds[state.mode] = +event.target.value;
    paint();
  });
  part("modes").addEventListener("change", (event) => {
    state.mode = event.target.value;
    paint();
  });
  part("eos").addEventListener("change", () => (paint(), fitTop()));
  part("gold").addEventListener("change", paint);

  // ---- Which alignment: the list holds those that the search finds

  function neighbour(step) {
    const list = part("list");
    return list.options[list.selectedIndex + step];
  }

  function search() {
    const wanted = part("search").value.trim().toLowerCase();
    const options = [];
    data.alignments.forEach(({ title, source, target }, number) => {
      const text = [title, source.join(" "), target.join(" ")].join("\n").toLowerCase();
      if (text.includes(wanted)) options.push(new Option(`${number + 1}. ${title}`, number));
    });
    part("list").replaceChildren(...options);
    part("found").textContent = wanted ? `${options.length} of ${data.alignments.length}` : "";
    const still = options.some((option) => +option.value === state.shown);
    if (options.length) show(still ? state.shown : +options[0].value);
    else part("previous").disabled = part("next").disabled = true;
  }

  part("search").addEventListener("input", search);
  part("list").addEventListener("change", (event) => show(+event.target.value));
  part("previous").addEventListener("click", () => show(+neighbour(-1).value));
  part("next").addEventListener("click", () => show(+neighbour(1).value));

  // ---- Pointing at a cell: with the mouse, a finger, or the keyboard

  function place(cell) {
    for (let t = 0; t < cells.length; t++) {
      const s = cells[t].indexOf(cell);
      if (s >= 0) return [t, s];
    }
  }

  function pointedAt() {
    return table.querySelector(".cell.on");
  }

  function point(cell) {
    for (const marked of table.querySelectorAll(".on")) marked.classList.remove("on");
    const tip = part("tip");
    tip.hidden = !cell;
    if (!cell) return;
    const [t, s] = place(cell);
    for (const marked of [cell, cell.parentNode.cells[0], table.tHead.rows[0].cells[s + 1]]) {
      marked.classList.add("on");
    }
    const texts = describe(t, s);
    ["source", "target", "weight", "notes"].forEach((name, at) => {
      part(`tip-${name}`).textContent = texts[at];
    });
    const box = cell.getBoundingClientRect();
    const above = box.top - tip.offsetHeight - 6;
    const left = box.left + box.width / 2 - tip.offsetWidth / 2;
    tip.style.top = `${above > 0 ? above : box.bottom + 6}px`;
    tip.style.left = `${Math.max(4, Math.min(left, innerWidth - tip.offsetWidth - 4))}px`;
  }

  function step(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const cell = event.target.closest(".cell");
    if (event.key === "Escape") point(null);
    if (!cell || !moves[event.key]) return;
    event.preventDefault();
    const [t, s] = place(cell);
    const [down, right] = moves[event.key];
    const next = cells[t + down]?.[s + right];
    if (!next || !next.offsetWidth) return; // past the edge, or EOS while it is not shown
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  table.addEventListener("pointerover", (event) => point(event.target.closest(".cell")));
  table.addEventListener("pointerleave", () => point(table.querySelector(".cell:focus")));
  table.addEventListener("focusin", (event) => point(event.target.closest(".cell")));
  table.addEventListener("focusout", () => point(null));
  table.addEventListener("keydown", step);
  // The tip goes along with its cell, whatever it is that scrolls.
  addEventListener("scroll", () => point(pointedAt()), true);
  // A frame may be laid out only after its script has run, as that of a folded output is. This
  // element is as wide as the page, whatever the words need.
  new ResizeObserver(fitTop).observe(part("controls"));

  if (data.title) document.title = part("page-title").textContent = data.title;
  document.querySelector("main").hidden = false;
  document.documentElement.classList.add("ready");
  search();
}
