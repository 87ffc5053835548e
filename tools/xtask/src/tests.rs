//! The repository keeps its own rules. Each test here fails with the list of what breaks one.

use crate::finding::Finding;
use crate::repository::Repository;
use crate::{
    circles, claims, codemap, deny_rules, evidence, layers, locks, modules, prose, purity, rust_source, unused,
};

fn check(rules: fn(&Repository) -> Vec<Finding>) {
    let repository = Repository::here().expect("the repository can be read");
    let findings = rules(&repository);
    let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n  {}", list.len(), list.join("\n  "));
}

#[test]
fn tidy_every_rust_file_keeps_the_rules_of_the_house() {
    check(rust_source::check_all);
}

#[test]
fn tidy_no_file_is_forgotten_and_every_crate_is_a_member() {
    check(modules::check_all);
}

#[test]
fn tidy_links_lead_somewhere_and_no_text_names_a_machine() {
    check(prose::check_all);
}

#[test]
fn tidy_modules_beside_each_other_use_each_other_one_way() {
    check(circles::check_all);
}

#[test]
fn tidy_the_map_names_files_that_are_there() {
    check(codemap::check_all);
}

#[test]
fn tidy_the_tests_that_the_table_of_safety_names_are_there() {
    check(claims::check_all);
}

#[test]
fn tidy_every_rule_of_deny_toml_is_decided_here_and_the_two_lists_of_licences_are_one() {
    check(deny_rules::check_all);
}

#[test]
fn tidy_the_lock_files_beside_ours_lock_what_our_manifests_ask_for() {
    check(locks::check_all);
}

#[test]
fn layers_are_as_the_architecture_page_says() {
    let repository = Repository::here().expect("the repository can be read");
    print!("{}", layers::core_report(&repository));
    check(layers::check_all);
}

#[test]
fn layers_what_computes_asks_nothing_of_the_world() {
    check(purity::check_all);
}

#[test]
fn layers_no_dependency_is_unused() {
    check(unused::check_all);
}

#[test]
fn evidence_every_numbered_rule_is_cited_by_a_test() {
    let repository = Repository::here().expect("the repository can be read");
    print!("{}", evidence::matrix(&repository));
    check(evidence::check_all);
}
