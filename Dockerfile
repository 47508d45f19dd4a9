# The web page and HTTP API (docs/serve.md). Without flags: the recogniser that comes with ferjax.
#
#   docker build -t ferjax-serve .
#   docker run --rm --init -p 127.0.0.1:8000:8000 --read-only --tmpfs /tmp ferjax-serve
FROM python:3.12-slim

# Programs are compiled when the container starts: those of another processor may not run here.
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    JAX_PLATFORMS=cpu \
    JAX_COMPILATION_CACHE_DIR=/tmp/compiled \
    MPLCONFIGDIR=/tmp/matplotlib

WORKDIR /srv/ferjax
COPY pyproject.toml README.md LICENSE ./
COPY ferjax ferjax
COPY launch launch
RUN pip install --no-cache-dir '.[serve]' \
    && rm -rf /srv/ferjax \
    && useradd --system --no-create-home --uid 10001 ferjax

WORKDIR /
USER ferjax
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=180s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=4)"]
STOPSIGNAL SIGTERM
# Inside the container every address is its own; what -p publishes decides who can reach it.
ENTRYPOINT ["python", "-m", "launch.serve", "--host=0.0.0.0", "--port=8000"]
