//! Compares a registry with the registry of the workspace (rule K-12).

use super::{Registry, RegistryProblem};
use std::path::Path;

impl Registry {
    /// Where the workspace's registry differs from this one, with pointers into the workspace's file.
    pub fn disagreements(&self, workspace: &Registry) -> Vec<RegistryProblem> {
        let mut found = Vec::new();
        let mut differ = |pointer: String, expected: &str, other: &str| {
            let message = format!("expected `{expected}`, as in the registry of the bundle, found `{other}`");
            found.push(RegistryProblem { pointer, message });
        };
        if self.version != workspace.version {
            differ("/registry_version".to_owned(), &self.version, &workspace.version);
        }
        for (id, other) in &workspace.schemas {
            let Some(own) = self.schemas.get(id) else { continue };
            if own.version != other.version {
                differ(format!("/contracts/{}/contract_version", other.index), &own.version, &other.version);
            }
            if !is_same_file(&own.schema_file, &other.schema_file) {
                let (own, found) = (own.schema_file.display().to_string(), other.schema_file.display().to_string());
                differ(format!("/contracts/{}/schema_path", other.index), &own, &found);
            }
        }
        found
    }
}

/// Whether two paths lead to the same file. Both files were read, so both paths can be resolved.
fn is_same_file(a: &Path, b: &Path) -> bool {
    a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}
