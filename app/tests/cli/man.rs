//! `man`.

use crate::test_dir::TestDir;

#[test]
fn every_command_has_a_page_with_its_options_and_examples() {
    let dir = TestDir::new("man");
    dir.does("man pages/man1");
    let pages = dir.list("pages/man1");
    for name in ["reslstm.1", "reslstm-predict.1", "reslstm-sweep.1", "reslstm-sweep-plan.1", "reslstm-man.1"] {
        assert!(pages.iter().any(|page| page == name), "{name}: {pages:?}");
    }
    let page = String::from_utf8(dir.read("pages/man1/reslstm-predict.1")).unwrap();
    assert!(page.contains(".TH reslstm-predict 1"), "{page}");
    for part in ["Predict emotions", r"\fB\-\-window\fR", "reslstm predict \\-\\-live"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    dir.write("file", "mine");
    dir.refuses_saying("man file", &["error: file: "]);
    assert_eq!(dir.read("file"), b"mine");
}
