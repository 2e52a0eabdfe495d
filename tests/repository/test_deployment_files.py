"""The files that people deploy with say the same as the code, and as one another."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ingest.doctor.misspelled import unknown_settings
from ingest.settings import Settings
from tests.support.pages import blocks

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)["services"]
DOCUMENTED = dict(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))

# Read by the processes, but by no line of ours: flower's own settings.
FLOWERS = {"FLOWER_ADDRESS", "FLOWER_PORT", "FLOWER_BASIC_AUTH"}

# Stands in this repository, and is installed from there: it has no pin.
OWN = "sluice-client"

PASSWORDS = ("POSTGRES_PASSWORD", "VALKEY_PASSWORD", "FLOWER_BASIC_AUTH")

# They kill the process that has them: for tests/chaos, and no operator should set them (ingest/faultpoints.py).
FAULTS = {"SLUICE_FAULT", "SLUICE_FAULT_ITEM"}


def pins(name):
    """Each package of a requirements file with the versions that it may get, by platform and Python."""
    found = {}
    for package, version in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(package), set()).add(version)
    return found


def wanted(*, extra=None, group=None):
    lines = list(PROJECT["project"]["dependencies"])
    lines += PROJECT["project"]["optional-dependencies"][extra] if extra else []
    lines += PROJECT["dependency-groups"][group] if group else []
    return [requirement for requirement in map(Requirement, lines) if requirement.name != OWN]


@pytest.mark.parametrize(
    ("file", "requirements"),
    [
        ("requirements.txt", wanted()),
        ("requirements-embedded.txt", wanted(extra="embedded")),
        ("requirements-otel.txt", wanted(extra="otel")),
        ("requirements-dev.txt", wanted(extra="embedded", group="dev")),
        ("requirements-console.txt", [Requirement(line) for line in PROJECT["dependency-groups"]["console"]]),
        ("requirements-docs.txt", [Requirement(line) for line in PROJECT["dependency-groups"]["docs"]]),
        ("requirements-peers.txt", [Requirement(line) for line in PROJECT["dependency-groups"]["peers"]]),
    ],
)
def test_every_dependency_is_pinned_to_a_version_that_the_project_allows(file, requirements):
    pinned = pins(file)
    for requirement in requirements:
        versions = pinned[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_the_requirements_files_agree_on_every_version():
    runtime, embedded, dev = pins("requirements.txt"), pins("requirements-embedded.txt"), pins("requirements-dev.txt")
    assert runtime.items() <= embedded.items() <= dev.items()
    assert runtime.items() <= pins("requirements-otel.txt").items() <= dev.items()
    for group in map(pins, ("requirements-console.txt", "requirements-docs.txt", "requirements-peers.txt")):
        assert all(group[package] == dev[package] for package in group.keys() & dev.keys())


@pytest.mark.parametrize("file", sorted(file.name for file in ROOT.glob("requirements*.txt")))
def test_every_pin_has_a_hash_and_no_address_is_named(file):
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.lstrip().startswith("#")]
    text = "\n".join(lines)
    entries = re.split(r"\n(?=\S)", text)
    assert all(re.match(r"\S+==.* \\\n +--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)


def test_every_setting_is_in_the_example_and_nothing_else_is():
    sources = [path for folder in ("ingest", "app", "worker", "cli") for path in (ROOT / folder).rglob("*.py")]
    code = "\n".join(path.read_text() for path in sources)
    read = set(re.findall(r"\b(SLUICE_[A-Z_]+|DATABASE_URL|REDIS_URL|PORT)\b", code))
    compose = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", COMPOSE_TEXT))
    assert set(DOCUMENTED) == (read - FAULTS) | compose | FLOWERS


def test_a_misspelled_setting_is_told_by_its_nearest_and_no_documented_one_is():
    assert unknown_settings([*DOCUMENTED, "SLUICE_MASTER_KEYS_FILE", "SLUICE_URL", "PATH"]) == []
    assert unknown_settings(["SLUICE_WEB_TREADS"]) == ["SLUICE_WEB_TREADS (did you mean SLUICE_WEB_THREADS?)"]
    assert unknown_settings(["SLUICE_XYZ"]) == ["SLUICE_XYZ"]


def test_the_example_shows_the_default_of_every_setting(monkeypatch):
    for name in DOCUMENTED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", DOCUMENTED["DATABASE_URL"])
    monkeypatch.setenv("REDIS_URL", DOCUMENTED["REDIS_URL"])
    defaults = Settings.from_env()
    for name, value in DOCUMENTED.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_env() == defaults


def test_the_compose_file_follows_the_compose_specification():
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    result = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_compose_runs_the_whole_product():
    assert set(COMPOSE) == {"postgres", "valkey", "migrate", "web", "worker", "sweep", "webhooks", "flower", "nginx"}


def test_compose_and_the_procfile_start_each_process_by_the_same_command():
    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line)
    assert COMPOSE["migrate"]["command"] == "sluice migrate"
    assert {name: COMPOSE[name]["command"] for name in procfile} == procfile


def test_no_line_of_the_procfile_ends_by_itself_since_a_foreman_would_stop_all_then():
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line)
    assert set(lines) == {"web", "worker", "sweep", "webhooks", "flower"}


def test_whoever_waits_for_a_healthy_service_waits_for_one_that_has_a_health_check():
    for name, service in COMPOSE.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                of_the_image = other == "web"  # the Dockerfile's
                assert of_the_image or "test" in COMPOSE[other]["healthcheck"], f"{name} waits for {other}"


def test_no_password_stands_outside_the_example():
    assert {name: DOCUMENTED[name] for name in PASSWORDS} == dict.fromkeys(PASSWORDS, "")
    for name in ("docker-compose.yml", "Dockerfile", "deploy/nginx.conf.template", "Procfile", "pyproject.toml"):
        text = (ROOT / name).read_text()
        text = re.sub(r":\$\{[A-Z_]+:\?[^}]+\}@", "@", text)  # what compose takes from the environment, or refuses
        assert not re.search(r"://[^\s/@]*:[^\s/@]+@", text), f"{name}: a URL with a password"
        assert not re.search(r"^\s*\w*PASSWORD:\s*(?!\$\{[A-Z_]+:\?)\S", text, re.MULTILINE), f"{name}: a password"


def test_the_page_writes_the_defaults_into_the_template_of_an_nginx_of_ones_own(tmp_path):
    [command] = [block.text for block in blocks(ROOT / "docs/how-to/behind-nginx.md") if block.text.startswith("sed ")]
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    subprocess.run(["/bin/sh", "-ec", command], cwd=tmp_path, check=True)
    lines = [line.partition("#")[0] for line in (tmp_path / "sluice.conf").read_text().splitlines()]
    expected = (ROOT / "deploy/nginx.conf.template").read_text().replace("web:8000", "127.0.0.1:8000")
    for name, value in DOCUMENTED.items():
        expected = expected.replace(f"${{{name}}}", value)
    assert lines == [line.partition("#")[0] for line in expected.splitlines()]
    assert not any("${" in line for line in lines)


def test_nginx_keeps_connections_as_long_as_the_api_does():
    default = DOCUMENTED["SLUICE_KEEPALIVE_SECONDS"]
    for name in ("nginx", "web"):
        assert COMPOSE[name]["environment"]["SLUICE_KEEPALIVE_SECONDS"] == f"${{SLUICE_KEEPALIVE_SECONDS:-{default}}}"
    assert "keepalive_timeout ${SLUICE_KEEPALIVE_SECONDS}s;" in (ROOT / "deploy" / "nginx.conf.template").read_text()


def test_compose_does_not_start_without_each_password():
    for name in PASSWORDS:
        uses = re.findall(rf"\$\{{{name}(.*?)\}}", COMPOSE_TEXT)
        assert uses
        assert all(re.fullmatch(r":\?.+", use) for use in uses)


@pytest.mark.parametrize("name", COMPOSE)
def test_no_service_can_gain_rights_or_change_its_own_programs(name):
    service = COMPOSE[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service.get("cap_add", [])) <= {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}


def test_compose_opens_ports_on_loopback_alone_unless_told_otherwise():
    ports = [port for service in COMPOSE.values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith(("127.0.0.1:", "${SLUICE_ADDRESS:-127.0.0.1}:")) for port in ports)


def test_nginx_takes_bodies_as_large_as_the_api_does():
    nginx = (ROOT / "deploy" / "nginx.conf.template").read_text()
    for limit in ("SLUICE_MAX_BODY_BYTES", "SLUICE_MAX_JOB_BYTES"):
        for name in ("nginx", "web"):
            assert COMPOSE[name]["environment"][limit] == f"${{{limit}:-{DOCUMENTED[limit]}}}"
        assert f"client_max_body_size ${{{limit}}};" in nginx
    assert "proxy_request_buffering on;" in nginx
    assert re.search(r"location @lines \{.*?proxy_request_buffering off;", nginx, re.DOTALL), (
        "or a file of gigabytes waits there"
    )


def test_nginx_lets_lines_through_to_each_call_that_takes_them():
    nginx = (ROOT / "deploy" / "nginx.conf.template").read_text()
    pattern = re.search(r"location ~ (\S+) \{", nginx)[1]
    operator = [
        f"{base}/operator-data-api/batch/{kind}"
        for base in ("", "/functions/v1")
        for kind in ("entities", "events", "states", "uploads/upl_0/parts/1")
    ]
    public = [f"{base}/v1/{noun}/batch" for base in ("", "/api/public") for noun in ("event", "object")]
    assert all(re.search(pattern, path) for path in operator + public)
    assert not re.search(pattern, "/v1/event")


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        ("", False),
        ("*", True),
        ("https://app.example", True),
        ("http://localhost:3000, https://app.example,http://[::1]", True),
        ("https://app.example.org,http://app.example", False),
        ("https://xapp.example", False),
    ],
)
def test_nginx_lets_pages_read_its_answers_as_web_does(origins, allowed):
    nginx = (ROOT / "deploy" / "nginx.conf.template").read_text()
    star, named = re.findall(r'^    "~(.+)" (?:\*|\$http_origin);$', nginx, re.MULTILINE)
    told = f"https://app.example {origins}"
    assert bool(re.search(star, told) or re.search(named, told)) is allowed
    for name in ("nginx", "web"):
        assert COMPOSE[name]["environment"]["SLUICE_CORS_ORIGINS"] == "${SLUICE_CORS_ORIGINS:-}"


def test_nginx_s_own_answers_have_the_headers_of_all_others():
    nginx = (ROOT / "deploy" / "nginx.conf.template").read_text()
    for location in ("too_large", "unavailable"):
        [block] = re.findall(rf"location @{location} \{{(.+?)\n    \}}", nginx, re.DOTALL)
        headers = dict(re.findall(r"add_header (\S+) (\S+) always;", block))
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
        assert headers["Access-Control-Allow-Origin"] == "$sluice_origin"
        assert headers["Strict-Transport-Security"] == "$sluice_hsts"


def test_nginx_has_browsers_come_by_tls_again_where_tls_ends_at_it():
    nginx = (ROOT / "deploy" / "nginx.conf.template").read_text()
    assert re.search(r'map \$scheme \$sluice_hsts \{\s+default "";\s+https max-age=31536000;\s+\}', nginx)
    server = nginx.partition("server {")[2].partition("location")[0]
    assert "add_header Strict-Transport-Security $sluice_hsts always;" in server


def test_the_dockerfile_passes_hadolint():
    result = subprocess.run(
        [PROGRAMS / "hadolint", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_image_installs_hashed_pins_and_does_not_run_as_root():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "ARG REQUIREMENTS=requirements.txt" in dockerfile
    assert 'RUN pip install --require-hashes -r "$REQUIREMENTS"' in dockerfile
    assert re.search(r"^USER [1-9]\d*$", dockerfile, re.MULTILINE)


def test_the_image_gets_all_that_it_copies():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in lines if line.startswith("!")}
    for sources in re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        for source in [] if sources.startswith("--from=guide ") else sources.split():  # made by a stage of the image
            assert source in let_through or any(path.startswith(f"{source}/") for path in let_through), source


def test_the_client_is_installed_wherever_the_server_is():
    for name in ("Makefile", "Dockerfile"):
        assert "--no-deps --editable . --editable clients/python" in re.sub(
            r" --no-build-isolation", "", (ROOT / name).read_text()
        )
