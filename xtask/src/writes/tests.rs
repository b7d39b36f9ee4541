use super::*;

fn calls(text: &str) -> Vec<String> {
    of_source("edge/helper/src/x.rs", text).unwrap().into_iter().map(|write| write.call).collect()
}

#[test]
fn every_way_to_write_is_seen() {
    for (text, call) in [
        ("fn f() { std::fs::write(a, b); }", "write"),
        ("use std::fs; fn f() { fs::rename(a, b)?; }", "rename"),
        ("use tokio::fs; async fn f() { fs::remove_dir_all(a).await }", "remove_dir_all"),
        ("fn f() { paths.map(std::fs::remove_file); }", "remove_file"),
        ("use std::os::unix::fs::symlink; fn f() { symlink(a, b) }", "symlink"),
        ("use std::os::unix::fs::{PermissionsExt as _, symlink}; fn f() { symlink(a, b) }", "symlink"),
        ("fn f() { std::os::unix::fs::symlink(a, b) }", "symlink"),
        ("use rustix::fs::{CWD, renameat_with}; fn f() { renameat_with(CWD, a, CWD, b, e) }", "renameat_with"),
        ("fn f() { File::create(a)?; }", "File::create"),
        ("fn f() { std::fs::File::create_new(a)?; }", "File::create_new"),
        ("fn f() { std::fs::DirBuilder::new().create(a)?; }", "DirBuilder::new"),
        ("fn f() { OpenOptions::new().write(true).open(a)?; }", "OpenOptions.write"),
        ("fn f() { OpenOptions::new().append(true).open(a)?; }", "OpenOptions.append"),
        ("fn f() { let mut o = options(); o.create_new(true); }", "OpenOptions.create_new"),
        ("fn f() { file.set_len(3)?; }", "set_len"),
        ("impl X { fn f() { if a { fs::copy(a, b)?; } } }", "copy"),
        ("use std::fs::write as put; fn f() { put(a, b) }", "use … write as put"),
    ] {
        assert_eq!(calls(text), [call], "{text}");
    }
}

#[test]
fn what_reads_or_is_a_test_or_goes_through_durable_is_not() {
    for text in [
        "use std::fs; fn f() { fs::read(a)?; fs::metadata(a)?; fs::read_dir(a)?; }",
        "fn f() { durable::replace(a, b, 0o600)?; durable::rename(a, b)?; durable::remove(a)?; }",
        "fn f() { OpenOptions::new().read(true).open(a)?; OpenOptions::new().write(false).open(a)?; }",
        "fn f() { file.write(b\"x\")?; out.write_all(b)?; vec.truncate(3); map.create(false); }",
        "fn f() { holder.write(places)?; rename(a, b)?; }",
        "#[cfg(test)] mod tests { fn f() { std::fs::write(a, b); } }",
        "#[test] fn f() { std::fs::write(a, b); }",
        "// fs::write(a, b)\nconst TEXT: &str = \"fs::write(a, b)\";",
    ] {
        assert_eq!(calls(text), [""; 0], "{text}");
    }
    assert_eq!(of_source("edge/journal/src/durable.rs", "fn f() { fs::write(a, b); }").unwrap(), []);
}

#[test]
fn a_line_of_the_list_allows_what_it_names_and_must_be_used() {
    let writes = of_source("edge/helper/src/x.rs", "fn f() {\n fs::copy(a, b);\n fs::write(a, b);\n}").unwrap();
    let line = |calls| Allowed { file: "edge/helper/src/x.rs", calls, why: "for this test" };
    assert_eq!(judged(&writes, &[line(&["copy"])]), ["edge/helper/src/x.rs: `write` in `f` writes past durable.rs"]);
    assert_eq!(judged(&writes, &[line(&["copy", "write"])]), [""; 0]);
    let stale = judged(&writes, &[line(&["copy", "write", "rename"])]);
    assert_eq!(stale, ["edge/helper/src/x.rs: the list allows `rename`, and nothing there does it any more"]);
    assert!(of_source("x.rs", "fn f( {").is_err(), "what cannot be read is no pass");
}

#[test]
fn the_house_writes_through_durable() {
    run().unwrap();
}

#[test]
fn every_line_says_why() {
    for line in ALLOWED {
        assert!(line.why.len() > 20 && !line.calls.is_empty(), "{}", line.file);
    }
}
