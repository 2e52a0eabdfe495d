# One image for every process of Sluice: web, worker, sweep, webhooks, flower and migrate differ by their command alone.
FROM python:3.11-slim AS guide

# The guide, which web serves at /guide; what builds it stays in this stage.
WORKDIR /opt/sluice
COPY requirements-docs.txt ./
RUN pip install --no-cache-dir --require-hashes -r requirements-docs.txt
COPY pyproject.toml ./
COPY clients clients
COPY docs docs
RUN pip install --no-cache-dir --no-deps --editable clients/python \
    && python -m sphinx -W -n -q -b dirhtml -d /tmp/doctrees docs guide_pages

FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /opt/sluice

# Dependencies first and alone: a change of our own code then costs no new install.
# REQUIREMENTS=requirements-otel.txt adds what SLUICE_TRACES=on needs.
ARG REQUIREMENTS=requirements.txt
COPY requirements.txt requirements-otel.txt ./
RUN pip install --require-hashes -r "$REQUIREMENTS"

COPY pyproject.toml README.md LICENSE ./
COPY ingest ingest
COPY app app
COPY --from=guide /opt/sluice/guide_pages app/guide_pages
COPY worker worker
COPY cli cli
COPY sluice_command.py ./
COPY clients/python clients/python
# Compiled once: no process writes here, and each would compile all of it at its start.
RUN pip install --no-deps --editable . --editable clients/python \
    && python -m compileall -q ingest app worker cli sluice_command.py clients/python/src \
    && useradd --system --create-home --uid 10001 sluice

# By number, so that an orchestrator can see that it is not root.
USER 10001
EXPOSE 8000

# The web process's; docker-compose.yml gives the other processes their own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]

CMD ["gunicorn", "-c", "app/gunicorn.py", "app:create_app()"]
