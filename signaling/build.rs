//! Builds the crate anew where the built page changes, and lets it build where there is none.

fn main() {
    let dist = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-client/dist");
    // Without a page, one that says how to build it is served; a failure shows in the embedding.
    let _ = std::fs::create_dir_all(&dist);
    println!("cargo:rerun-if-changed={}", dist.display());
}
