# Builds the server and serves /models (fill it with `make models` first): docker build -t hippocamp . && docker run -p 8000:8000 -v "$PWD/model_repository:/models:ro" hippocamp
FROM ubuntu:24.04 AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates g++ libc6-dev rustup \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The toolchain first: it changes less often than the sources.
COPY rust-toolchain.toml ./
RUN rustup toolchain install --profile minimal "$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)"
COPY . .
RUN cargo build --release --workspace --locked

FROM ubuntu:24.04
RUN useradd --system --uid 10001 hippocamp
COPY --from=build /src/target/release/hippocamp /src/target/release/hippocamp-app /usr/local/bin/
# Of hippocamp-app, which docker-compose.yml starts beside the server.
RUN install --directory --owner hippocamp /data
COPY LICENSE /usr/share/doc/hippocamp/LICENSE
USER hippocamp
EXPOSE 8000 8001 8002 8080
ENTRYPOINT ["hippocamp"]
CMD ["--model-repository", "/models"]
