//! The plans under `docs/examples`, as the README tells to run them.

use crate::support::Room;
use serde_json::Value;
use std::path::Path;

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn the_four_supply_chain_plans_end_as_they_say() {
    let room = Room::new();
    let out = room.path("").display().to_string();
    for (plan, code, status) in
        [("plan", 0, "success"), ("partial", 10, "partial"), ("failed", 20, "failed"), ("gate", 20, "failed")]
    {
        let plan = repository().join(format!("docs/examples/supply-chain/{plan}.toml"));
        let done = room.ends(code, &["run", &plan.display().to_string(), "--out", &out, "--json"]);
        assert_eq!(done.json()["status"], status, "{done:?}");
    }
    room.ends(0, &["verify"]);
    room.ends(0, &["project", "--check", "."]);
    let replay: Value = room.ends(0, &["replay", "--json"]).json();
    assert_eq!(replay["runs"], 4);
}
