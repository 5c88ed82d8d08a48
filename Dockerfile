# syntax=docker/dockerfile:1
# The command and nothing else. Builds with BuildKit: docker build -t onsale:local . (--build-arg FEATURES=otlp: it can send spans)
#
# Dependencies are a layer of their own, made from a skeleton: every Cargo.toml, the lock, and an empty program in place of each
# crate's roots. A layer copied from another stage is known by its content, so it is built anew only when one of those changes.

# The toolchain of the README, on the Debian that the image at the end is made of: both have the same C library.
FROM rust:1.95.0-bookworm AS toolchain
WORKDIR /src

FROM toolchain AS skeleton
COPY . .
RUN find . -type f ! -name Cargo.toml ! -name Cargo.lock ! -path '*/src/lib.rs' ! -path '*/src/main.rs' ! -path '*/src/bin/*.rs' \
        ! -path '*/benches/*.rs' ! -path '*/tests/it/main.rs' ! -path '*/build.rs' -delete \
    && find . -name '*.rs' -exec sh -c 'echo "fn main() {}" >"$1"' sh {} \;

FROM toolchain AS build
ARG FEATURES=
COPY --from=skeleton /src .
RUN cargo build --release --locked --package onsale --features "$FEATURES"
COPY . .
ARG REVISION=unknown
ENV ONSALE_COMMIT=$REVISION
# Cargo goes by times, and the sources are older than what was built in their place.
RUN find . -name '*.rs' -exec touch {} + && cargo build --release --locked --package onsale --features "$FEATURES"

# No shell, nobody's root. It has what the program reads at run time: time zones for letters and tickets, and the certificates
# that a rediss:// server is verified by; what speaks to Stripe, mail servers and drand brings its own. It has no version tags:
# whoever needs the very same bytes again adds the digest.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="onsale" \
    org.opencontainers.image.description="Queue-fronted flash-sale ticket gateway with a Postgres ledger" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /src/target/release/onsale /usr/local/bin/onsale
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/onsale"]
