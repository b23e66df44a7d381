//! What `data check` finds.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use vitrine::data::problems;

use super::open;

fn save(root: &Path, name: &str, width: u32, height: u32, red: u8) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("create");
    RgbImage::from_pixel(width, height, Rgb([red, 0, 0])).save(path).expect("save");
}

#[test]
fn damage_doubles_and_uneven_classes_are_found() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    (0..120).for_each(|ix| save(dir.path(), &format!("train/cat/{ix:03}.png"), 8, 8, ix));
    (0..5).for_each(|ix| save(dir.path(), &format!("train/dog/{ix}.png"), 9, 12, 200 + ix));
    save(dir.path(), "val/cat/new.png", 8, 8, 250);
    save(dir.path(), "val/dog/old.png", 8, 8, 7);
    let clean = problems::find(&open("folder", dir.path(), 8, 2).expect("a good set"));
    assert_eq!((clean.images, clean.unreadable.len(), clean.is_refused), (127, 0, false));
    assert_eq!(clean.shorter_sides, Some((8, 9)));
    assert_eq!(clean.small_classes, [("dog".to_string(), 5)]);
    let [(train, test)] = &clean.leaked[..] else { panic!("{clean:?}") };
    assert!(train.ends_with("007.png") && test.ends_with("old.png"), "{clean:?}");

    fs::write(dir.path().join("train/cat/000.png"), "<html>").expect("write");
    let one = problems::find(&open("folder", dir.path(), 8, 2).expect("1 of 125 is let pass"));
    assert!(one.unreadable.len() == 1 && one.unreadable[0].contains("000.png") && !one.is_refused, "{one:?}");
    save(dir.path(), "train/cat/001.png", 200, 8, 1);
    let two = problems::find(&open("folder", dir.path(), 8, 2).expect("the shape shows when it is decoded"));
    assert!(two.unreadable.len() == 2 && two.is_refused, "{two:?}");
    assert!(two.unreadable[1].contains("001.png") && two.unreadable[1].contains("200×8"), "{two:?}");
}
