"""The TypeScript client as its users have it: packed, installed in another folder, run there against a real server."""

import fcntl
import gzip
import json
import os
import re
import shutil

import pytest

from tests.e2e.running import environment, sluice
from tests.support.node import CLIENT, needs_node, run, tool
from tests.support.pages import ROOT, blocks, pages

# A compiler runs twice: on a busy machine that alone takes a minute.
pytestmark = [needs_node, pytest.mark.timeout(400)]

_MOST_BYTES = 8 * 1024
_TESTS = {
    "extends": str(CLIENT / "tsconfig.json"),
    "compilerOptions": {
        "types": ["node"],
        "typeRoots": [str(CLIENT / "node_modules" / "@types")],
        "noUnusedLocals": False,
        "declaration": False,
        "rootDir": ".",
        "outDir": ".",
    },
    "include": ["*.ts"],
    "exclude": ["node_modules"],
}


# Each page with blocks of TypeScript, and lines that its program prints.
PROGRAMS = {
    CLIENT / "README.md": ("25000 created in 3 jobs", "145.50 1234567890123456789012345678901234567890n 146.5"),
    ROOT / "docs/how-to/use-the-typescript-client.md": ('bob Missing required field: "email"',),
}


def program(page):
    """Return the blocks of a page as one program."""
    return "".join(block.text for block in blocks(page) if block.language == "ts" and not block.reason)


def test_every_page_with_typescript_is_one_of_the_programs():
    assert {page for page in pages() if program(page)} == set(PROGRAMS)


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A folder of another program that has installed the package; made once for all processes that run tests."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = shared / "typescript"
    with (shared / "typescript.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            (folder / "ready").touch()
    return folder


def commands(page):
    """Return the commands of a page that build and install the package, but for the tools, which `needs_node` has."""
    [block] = [block.text for block in blocks(page) if block.language == "sh"]
    tools, _, rest = block.partition(" && ")
    assert tools == "npm ci --prefix clients/typescript --ignore-scripts"
    return rest


def test_the_pages_install_the_package_by_the_same_commands():
    assert len(set(map(commands, PROGRAMS))) == 1


def install(folder):
    folder.mkdir()
    (folder / "clients").symlink_to(ROOT / "clients")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    env = os.environ | {"npm_config_offline": "true", "npm_config_audit": "false", "npm_config_fund": "false"}
    run("sh", "-ec", commands(CLIENT / "README.md"), cwd=folder, env=env)
    for test in (CLIENT / "tests").glob("*.ts"):
        shutil.copy(test, folder)
    for page in PROGRAMS:
        (folder / f"{page.stem}.ts").write_text(program(page))
    (folder / "tsconfig.json").write_text(json.dumps(_TESTS))
    run(tool("tsc"), cwd=folder)


@pytest.fixture
def keys(stack):
    """The environment of a program that uses the server, for a tenant that has nothing yet."""
    at = {"SLUICE_DATA_DIR": str(stack.data_dir)}
    made = sluice("tenants", "create", "TypeScript", "--template", "tpl_igaming", "--json", **at)
    tenant = json.loads(made.stdout)["id"]
    key, public = (
        sluice("keys", "create", "--tenant", tenant, "--prefix", prefix, **at).stdout.strip()
        for prefix in ("oh_live", "fm_live")
    )
    return environment(SLUICE_URL=stack.api, SLUICE_KEY=key, SLUICE_PUBLIC_KEY=public)


def test_the_tests_of_the_client_pass_against_a_real_server(installed, keys):
    tests = sorted(installed.glob("*.test.js"))
    assert len(tests) == len([*(CLIENT / "tests").glob("*.test.ts")])
    told = run("node", "--test", "--test-reporter=spec", *tests, cwd=installed, env=keys, timeout=100)
    assert int(re.search(r"^\S pass (\d+)$", told, re.MULTILINE)[1]) > 40
    assert " skipped 0\n" in told


@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_work_as_one_program(installed, keys, page):
    shown = run("node", f"{page.stem}.js", cwd=installed, env=keys, timeout=60)
    assert [line for line in PROGRAMS[page] if line not in shown.splitlines()] == []


def test_the_package_has_what_its_users_need_and_nothing_else(installed):
    package = installed / "node_modules" / "sluice-client"
    files = {str(file.relative_to(package)) for file in package.rglob("*") if file.is_file()}
    assert {"package.json", "README.md", "dist/index.js", "dist/index.d.ts"} <= files
    assert all(file.startswith("dist/") for file in files - {"package.json", "README.md", "LICENSE"})
    about = json.loads((package / "package.json").read_text())
    assert "dependencies" not in about
    assert f'VERSION = "{about["version"]}"' in (package / "dist" / "version.js").read_text()
    run(tool("publint"), "--strict", package)


def test_the_package_is_small(installed):
    entry = installed / "node_modules" / "sluice-client" / "dist" / "index.js"
    bundle = run(tool("esbuild"), entry, "--bundle", "--minify", "--format=esm")
    assert len(gzip.compress(bundle.encode(), 9)) <= _MOST_BYTES


def test_the_lock_file_names_no_address():
    lock = json.loads((CLIENT / "package-lock.json").read_text())["packages"]
    assert all("resolved" not in package for package in lock.values())
    assert all("integrity" in package for name, package in lock.items() if name)
    assert all(not version.startswith(("^", "~")) for version in lock[""]["devDependencies"].values())
