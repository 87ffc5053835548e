# The one door to the repository's chores. CI goes through it too: `just ci` is `.ci/run`.

# List the recipes.
default:
    @just --list

# Formatting, the repository's own rules, clippy with warnings denied: what to run before a commit.
check:
    cargo fmt --all --check
    cargo run --quiet --locked -p xtask -- tidy
    cargo clippy --locked --workspace --all-targets -- -D warnings

# Every test.
test:
    cargo test --workspace

# What CI runs, in order.
ci:
    .ci/run

# Build the program as it is handed on, stripped: `target/dist/evlog`. `evlog version` shows the commit, if there is one.
dist:
    EVLOG_COMMIT="$(git describe --always --dirty --abbrev=40 || true)" cargo build --locked --profile dist -p evlog-cli --features full

# Build and install the program, its man pages and completions under PREFIX.
install PREFIX="$HOME/.local": dist
    tools/install target/dist/evlog "{{PREFIX}}"

# Build the program without shared libraries, for machines with another or no C library: `target/TARGET/dist/evlog`.
static TARGET="x86_64-unknown-linux-gnu":
    EVLOG_COMMIT="$(git describe --always --dirty --abbrev=40 || true)" RUSTFLAGS="-C target-feature=+crt-static" \
        cargo build --locked --profile dist -p evlog-cli --features full --target {{TARGET}}

# Build the Debian package, `target/debian/evlog_*.deb`. Needs cargo-deb and dpkg-dev.
deb:
    tools/deb

# What each crate costs to build from nothing; the report is in `target/timings`.
timings:
    cargo build --locked --release --timings -p evlog-cli --target-dir target/timings

# Build the API documentation of the libraries, warnings denied.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --lib --no-deps

# Rewrite the golden files from what the code does now, then show what changed: review it as you would review code.
golden:
    EVLOG_BLESS=1 cargo test --workspace
    git status --short
    git diff --stat

# The small measurements; results worth keeping go to benches/runs/.
bench:
    cargo bench -p evlog-benches

# The end-to-end works with the rivals beside us: the whole table, and every figure in RAW. Wants a machine that does nothing else.
bench-table RAW:
    benches/table {{RAW}}

# The packages behind the core crates, counted against their ceiling.
deps:
    cargo run --quiet --locked -p xtask -- deps

# Licences, sources and bans of every package, under the rules of .deny.toml.
licences:
    cargo run --quiet --locked -p xtask -- licences

# Known faults of the packages that are locked. Needs cargo-deny, and the network for its database.
advisories:
    cargo deny check --config .deny.toml advisories

# Other programs read every export; pm4py judges the order of events over LOGS random logs. Needs python3 and a package index.
others LOGS="3":
    tests/others/run {{LOGS}}

# Each numbered rule of the documents, and the tests that cite it.
evidence:
    cargo run --quiet --locked -p xtask -- evidence

# Every decoder over the corpus and over TIMES times as many changed inputs as in an ordinary run.
decoders TIMES="50":
    EVLOG_FUZZ_CASES={{TIMES}} cargo test -p evlog-tests --test it decoders::

# One decoder under libFuzzer, on the stable compiler; needs cargo-fuzz. Inputs that it finds stay beside the build.
fuzz TARGET SECONDS="60":
    mkdir -p tests/fuzz/target/found/{{TARGET}}
    cd tests && cargo fuzz run -s none {{TARGET}} fuzz/target/found/{{TARGET}} fuzz/corpus/{{TARGET}} -- \
        -max_total_time={{SECONDS}} -malloc_limit_mb=64 </dev/null

# Mutants of the run contracts, a share of them, under the tests of their crate; needs cargo-mutants. Survivors are listed.
mutants SHARE="0/16" FILES="crates/evlog-lifecycle/src/**/*.rs":
    PROPTEST_CASES=8 cargo mutants -p evlog-lifecycle --file '{{FILES}}' --sharding round-robin --shard {{SHARE}} \
        --timeout 120 --output target -- --lib

# Kill writers, the store's own and `evlog submit`, KILLS times each, at moments that this run draws.
kill KILLS="200":
    EVLOG_KILLS={{KILLS}} cargo test -p evlog-store --lib tests::kill:: -- --nocapture
    EVLOG_KILLS={{KILLS}} cargo test -p evlog-cli --test it kill:: -- --nocapture

# The writer's threads in many orders: how many of each test, by each way of choosing.
schedules ORDERS="400":
    EVLOG_SCHEDULES={{ORDERS}} cargo test -p evlog-store --lib --features schedules schedules::

# Run COUNT scenarios of the simulated disk, with a crash at every act of each.
scenarios COUNT="100":
    EVLOG_SIM_SCENARIOS={{COUNT}} cargo test -p evlog-store --lib tests::crash:: -- --nocapture

# Run one scenario of the simulated disk, named by its seed, with more ways to crash than an ordinary test run tries.
sim SEED:
    EVLOG_SIM_SEED={{SEED}} cargo test -p evlog-store --lib tests::crash:: -- --nocapture
