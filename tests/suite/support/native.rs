//! Programs and libraries in C that a test needs.

use std::path::Path;
use std::process::Command;

/// Compiles a source of this folder, with these arguments, to `target`.
pub fn compile(source: &str, arguments: &[&str], target: &Path) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/support");
    let mut compiler = Command::new("cc"); // which Rust needs, too
    let compiler = compiler.args(arguments).args(["-O1", "-o"]).arg(target);
    let compiled = compiler.arg(folder.join(source)).status();
    let compiled = compiled.expect("a C compiler");
    assert!(compiled.success(), "{source} is not compiled");
}
