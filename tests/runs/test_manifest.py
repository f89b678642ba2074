import hashlib
import json
from dataclasses import asdict

import pytest

from nmt.errors import RunError
from nmt.runs.manifest import (
    FORMAT,
    NAME,
    ArrayEntry,
    FileEntry,
    Manifest,
    NewerFormat,
    _digest,
    _text,
    describe_files,
    read_manifest,
    verify_files,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path):
    """A folder with files in the places where items and what is common to them lie."""
    for name, content in [("common", b"c"), ("params/d/x", b"xy"), ("training/empty", b"")]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def array(*keys):
    """An entry as json has it."""
    return {"keys": list(keys), "shape": [2], "dtype": "int32"}


def manifest_of(folder, **changes):
    items = {"params": (ArrayEntry(("layers", 0, "kernel"), (2, 3), "bfloat16"),)}
    values = {"step": 5, "score": 1.5, "interrupted": False, "time": "t", "items": items}
    return Manifest(**{**values, "files": describe_files(folder), **changes})


def test_files_are_described_by_size_and_sha256(folder):
    assert describe_files(folder) == {
        "common": FileEntry(1, hashlib.sha256(b"c").hexdigest()),
        "params/d/x": FileEntry(2, hashlib.sha256(b"xy").hexdigest()),
        "training/empty": FileEntry(0, hashlib.sha256(b"").hexdigest()),
    }


def test_what_is_written_is_read(folder):
    manifest = manifest_of(folder)
    write_manifest(folder, manifest)
    assert read_manifest(folder) == manifest
    assert read_manifest(folder).items["params"][0].name == "layers.0.kernel"
    verify_files(folder, manifest)


def test_every_byte_of_the_manifest_counts(folder):
    write_manifest(folder, manifest_of(folder))
    content = (folder / NAME).read_bytes()
    for position in range(len(content)):
        for bit in (1, 32):
            damaged = bytearray(content)
            damaged[position] ^= bit
            (folder / NAME).write_bytes(damaged)
            with pytest.raises(RunError, match="is not as it was written"):
                read_manifest(folder)


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda content: json.dumps(json.loads(content), indent=2, sort_keys=True) + "\n",
        lambda content: json.dumps(json.loads(content), sort_keys=True),
        lambda content: content + "\n",
        lambda content: content.rstrip("\n"),
        lambda content: content.replace("\n", "\r\n"),
    ],
    ids=["indented more", "one line", "a line more", "an end less", "other line ends"],
)
def test_other_white_space_is_a_damage_though_the_body_is_the_same(folder, rewritten):
    write_manifest(folder, manifest_of(folder))
    content = (folder / NAME).read_text()
    other = rewritten(content)
    assert other != content and json.loads(other) == json.loads(content)
    (folder / NAME).write_bytes(other.encode())
    with pytest.raises(RunError, match="is not as it was written"):
        read_manifest(folder)


@pytest.mark.parametrize("content", [b"{}", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_anything_else_is_no_manifest(folder, content):
    (folder / NAME).write_bytes(content)
    with pytest.raises(RunError, match="is not as it was written"):
        read_manifest(folder)


def test_a_missing_or_empty_manifest_is_named(folder):
    with pytest.raises(RunError, match="it has no manifest.json"):
        read_manifest(folder)
    (folder / NAME).write_text("")
    with pytest.raises(RunError, match="manifest.json is empty"):
        read_manifest(folder)


def test_a_newer_format_says_so(folder):
    manifest = manifest_of(folder)
    body = {"format": FORMAT + 1, **asdict(manifest)}
    (folder / NAME).write_text(_text({**body, "sha256": _digest(body)}))
    with pytest.raises(NewerFormat, match="has format 2; this version of nmt reads format 1"):
        read_manifest(folder)
    (folder / NAME).write_text(_text({**body, "sha256": "0"}))
    with pytest.raises(RunError, match="is not as it was written"):
        read_manifest(folder)


@pytest.mark.parametrize("name", ["averaged", "seconds", "previous"])
def test_a_manifest_that_lacks_what_came_later_is_read(folder, name):
    manifest = manifest_of(folder)
    body = {"format": FORMAT, **asdict(manifest)}
    del body[name]
    (folder / NAME).write_text(_text({**body, "sha256": _digest(body)}))
    assert read_manifest(folder) == manifest


@pytest.mark.parametrize(
    "change",
    [
        {"step": -1},
        {"step": "5"},
        {"score": "high"},
        {"interrupted": 0},
        {"averaged": [1.5]},
        {"seconds": -1.0},
        {"seconds": "1.0"},
        {"previous": -1},
        {"previous": "4"},
        {"items": {"params": [{"keys": [None], "shape": [], "dtype": "int32"}]}},
        {"items": {"params": [{"keys": ["a"], "shape": [True], "dtype": "int32"}]}},
        {"items": {"params": [{"keys": ["a"], "shape": [], "dtype": None}]}},
        {"items": {"params": 3}},
        {"items": {"params": [array()]}},
        {"items": {"params": [array("w"), array("w", "x")]}},
        {"items": {"params": [array("w", "x", 0), array("w")]}},
        {"items": {"params": [array("w", "x"), array("w", "x")]}},
        {"items": {"params": [array("w", 0), array("w", "0")]}},
        {"files": {"x": {"size": 1}}},
        {"more": 1},
    ],
)
def test_other_types_than_are_written_are_refused(folder, change):
    body = {"format": FORMAT, **asdict(manifest_of(folder)), **change}
    (folder / NAME).write_text(_text({**body, "sha256": _digest(body)}))
    with pytest.raises(RunError, match="is not as it was written"):
        read_manifest(folder)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "a/../../b", "params/a\0b", "params/\ud800"]
)
def test_a_manifest_speaks_of_its_own_folder_only(folder, name):
    write_manifest(folder, manifest_of(folder, files={name: FileEntry(0, "")}))
    with pytest.raises(RunError, match="is not as it was written"):
        read_manifest(folder)


def test_verifying_names_the_file(folder):
    manifest = manifest_of(folder)
    (folder / "params/d/x").write_bytes(b"xz")
    with pytest.raises(RunError, match="params/d/x is not as it was written"):
        verify_files(folder, manifest)
    (folder / "params/d/x").write_bytes(b"x")
    with pytest.raises(RunError, match="params/d/x has 1 bytes instead of 2"):
        verify_files(folder, manifest)
    (folder / "params/d/x").unlink()
    with pytest.raises(RunError, match="params/d/x is missing"):
        verify_files(folder, manifest)
    (folder / "params/d/x").mkdir()
    with pytest.raises(RunError, match="params/d/x is no file"):
        verify_files(folder, manifest)


def test_what_was_not_written_is_no_part_of_it(folder):
    manifest = manifest_of(folder)
    (folder / ".nfs0001").write_text("hidden")
    verify_files(folder, manifest)
    (folder / "training" / "more").write_text("")
    verify_files(folder, manifest, ["params"])
    with pytest.raises(RunError, match="training/more is no part of it"):
        verify_files(folder, manifest)


def test_links_are_never_followed(folder, tmp_path_factory):
    manifest = manifest_of(folder)
    outside = tmp_path_factory.mktemp("outside") / "d"
    (folder / "params" / "d").rename(outside)
    (folder / "params" / "d").symlink_to(outside)
    for items in (None, ["params"]):
        with pytest.raises(RunError, match="params/d is no part of it"):
            verify_files(folder, manifest, items)
    verify_files(folder, manifest, ["training"])
    (folder / "params" / "d").unlink()
    (folder / "params" / "d").mkdir()
    (folder / "params" / "d" / "x").symlink_to(outside / "x")
    with pytest.raises(RunError, match="params/d/x is a link, or lies behind one"):
        verify_files(folder, manifest)
    write_manifest(outside, manifest)
    (folder / NAME).symlink_to(outside / NAME)
    with pytest.raises(RunError, match="manifest.json is a link"):
        read_manifest(folder)


def test_verifying_one_item_leaves_the_others_unread(folder):
    manifest = manifest_of(folder)
    (folder / "params/d/x").unlink()
    verify_files(folder, manifest, ["training"])
    (folder / "common").unlink()
    with pytest.raises(RunError, match="common is missing"):
        verify_files(folder, manifest, ["training"])
