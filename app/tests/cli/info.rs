//! `info`.

use crate::test_dir::{TestDir, model};
use serde_json::Value;

#[test]
fn info_shows_architecture_labels_metadata_and_tensors() {
    let (dir, model) = (TestDir::new("info"), model());
    let text = dir.does(&format!("info {model}"));
    assert!(text.starts_with("reslstm-sa-h4: ") && text.contains("labels: neutral, calm, happy"), "{text}");
    assert!(text.contains("licence: Trained on synthetic speech"), "{text}");
    let info = dir.does_json(&format!("info --json {model}"));
    assert_eq!((&info["inputs"], &info["classes"]), (&46.into(), &8.into()));
    assert_eq!((&info["metadata"]["protocol"], &info["metadata"]["fold"]), (&"strict".into(), &0.into()));
    let count =
        |tensor: &Value| -> u64 { tensor["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product() };
    let learned = info["tensors"].as_array().unwrap().iter().filter(|tensor| tensor["learned"] == true);
    assert_eq!(learned.map(count).sum::<u64>(), info["parameters"]);
}
