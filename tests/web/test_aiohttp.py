"""The private attributes of aiohttp (and of prometheus_client) that the door leans on, and the code that was read for them."""

import ast
import hashlib
import inspect
from importlib import metadata
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web_protocol import RequestHandler
from prometheus_client import Histogram

from gateway.web import connections

# When one changes: read the new source, run tests/web, then put the new digest here.
PINNED = {
    "RequestHandler.__init__": "46c577d1f419158f",
    "RequestHandler.start": "2e565fd40c8e04fb",
    "RequestHandler._handle_request": "a88a34ee65a2714c",
    "RequestHandler.data_received": "1ee57ebe052e6c80",
    "RequestHandler.close": "84518f965e198ee3",
    "RequestHandler.force_close": "38d0e1e798e4d3b7",
    "Server.__init__": "ceb06418afb91a22",
    "Server.__call__": "c5700549e688b164",
    "Server.connection_made": "c57094db35388e6d",
    "Server.connection_lost": "fff3ade6ffe866a8",
    "BaseRequest.__init__": "dae5bbed7d90f1dd",
    "RequestHandler._resume_reading_if_drained": "27f2a6fbbb3a790e",
    "BaseProtocol.pause_reading": "c35fb392028cd397",
    "BaseProtocol.resume_reading": "21dee847a31af724",
    "Histogram._metric_init": "61aeac1b768d4786",
    "Histogram.observe": "38beca3be1d1595b",
}
CLASSES = {
    "RequestHandler": RequestHandler,
    "Server": web.Server,
    "BaseRequest": web.BaseRequest,
    "BaseProtocol": BaseProtocol,
    "Histogram": Histogram,
}

# What each is taken for: `_waiter` is there while a connection waits for a request's head, `_request_in_progress` until
# its answer is sent; the server makes connections of `_kwargs` in `_loop` and keeps them in `_connections`; a request
# answers in `_version`; `_reading_paused` says whether a connection, and with it its parser, was paused. A histogram adds what it
# observes to `_sum`, and counts it in the first of its `_buckets` whose bound in `_upper_bounds` is not less.
LEANED_ON = {
    "connections.py": {"_waiter", "_request_in_progress", "_kwargs", "_loop", "_connections", "_reading_paused"},
    "exchange.py": {"_version"},
    "metrics.py": {"_sum", "_buckets", "_upper_bounds"},
}


def test_aiohttp_is_the_version_that_was_read():
    assert metadata.version("aiohttp") == "3.14.5"


@pytest.mark.parametrize("name", PINNED)
def test_the_parts_of_aiohttp_that_keep_its_private_attributes_have_not_changed(name):
    owner, method = name.split(".")
    source = inspect.getsource(getattr(CLASSES[owner], method))
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == PINNED[name]


def private(name):
    return name.startswith("_") and not name.startswith("__")


def borrowed(file):
    """The private attributes that a file asks others for, or itself without ever having set or defined them."""
    tree = ast.parse(file.read_text("utf-8"))
    own = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr) and ast.unparse(node.value) != "etree":
            if ast.unparse(node.value) != "self":
                found.add(node.attr)
            elif isinstance(node.ctx, ast.Store):
                own.add(node.attr)
    asked = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and private(node.attr) and ast.unparse(node.value) == "self"
    }
    return found | (asked - own)


def test_the_door_leans_on_no_other_private_attribute():
    """Of aiohttp, or of another file of the door."""
    folder = Path(connections.__file__).parent
    found = {file.name: borrowed(file) for file in sorted(folder.glob("*.py"))}
    assert {name: attributes for name, attributes in found.items() if attributes} == LEANED_ON
