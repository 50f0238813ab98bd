# teff with all it uses: docs/docker.md. `./teff` sets up here what it sets up anywhere; clippy and rustfmt are for `./teff test`.
FROM rust:1-bookworm
COPY . /teff
RUN cd /teff && rustup component add clippy rustfmt && scripts/setup-embedded && scripts/setup-oracles && ./teff --version
