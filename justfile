# The commands of a contributor. `just` lists them; each is one line that works without `just`, too.

# List the recipes.
default:
    @just --list --unsorted

# Type-check everything.
check:
    cargo check --workspace --all-targets

# Format the sources.
fmt:
    cargo fmt --all

# Clippy with every warning an error.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Everything but WebAssembly, documentation and the end-to-end tests.
fast:
    cargo xtask test --fast

# All checks and tests, as continuous integration runs them.
test:
    cargo xtask test

# Run the port suite on every database and show what came of it.
conformance:
    cargo xtask conformance

# Prove that the shared crates compile for WebAssembly.
wasm:
    cargo xtask wasm-check

# Run the port suite on D1 inside workerd.
worker *filter:
    cargo xtask worker test {{ filter }}

# Serve the gateway as a Worker on this machine.
worker-dev *arguments:
    cargo xtask worker dev {{ arguments }}

# Lint the published description, compare it with a gateway, and run clients made of it.
openapi:
    cargo xtask openapi

# Run the conformance suite of the Model Context Protocol, and clients of others.
mcp *arguments:
    cargo xtask mcp {{ arguments }}

# Run the services in simulated worlds.
simulate *arguments:
    cargo xtask simulate {{ arguments }}

# Compare the workspace with the dependency rule.
deps:
    cargo xtask check-deps

# Check file sizes, code paths named in documents, and stray machine paths.
tidy:
    cargo xtask tidy

# Start the gateway; arguments go to it.
serve *arguments:
    cargo run --release -- serve {{ arguments }}

# What the continuous integration machine runs.
ci:
    .ci/run
