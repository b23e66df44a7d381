//! The config form: the same keys and the same judgement as the command line.

use vitrine::config::known::KnownKeys;
use vitrine::dashboard::form::{FIELDS, Form, STEMS};
use vitrine::dashboard::panels::autopsy::remedies_of;
use vitrine::dashboard::panels::twin::TwinForm;

#[test]
fn every_field_is_a_key_of_the_file() {
    let known = KnownKeys::default();
    for field in FIELDS {
        let (section, key) = field.key.split_once('.').expect("section.key");
        known.value(section, key).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn every_key_of_the_file_has_a_place() {
    let (known, form) = (KnownKeys::default(), Form::from_preset("demo"));
    for section in known.sections() {
        let placed = FIELDS.iter().map(|field| field.key.to_string()).chain(form.other_keys(section));
        let placed: Vec<String> = placed.filter(|name| name.starts_with(&format!("{section}."))).collect();
        for key in known.keys(section) {
            assert_eq!(placed.iter().filter(|name| **name == format!("{section}.{key}")).count(), 1, "{section}.{key}");
        }
    }
}

#[test]
fn every_choice_can_be_chosen() {
    for field in FIELDS {
        for choice in field.choices {
            let mut form = Form::from_preset("demo");
            form.set(field.key, choice);
            if let Err(error) = &form.resolved {
                // Images that are not embedded need a path, and other sets have other classes.
                assert!(
                    field.key == "data.kind" && (error.contains("path") || error.contains("classes")),
                    "{} = {choice}: {error}",
                    field.key
                );
            }
        }
    }
    assert_eq!(STEMS.len(), 8);
}

#[test]
fn a_change_is_shown_checked_and_taken_back() {
    let mut form = Form::from_preset("demo");
    assert!(form.edits.is_empty());
    form.set("optim.lr", "0.003");
    let resolved = form.resolved.as_ref().expect("a fine learning rate");
    assert_eq!(resolved.experiment.optim.lr, 0.003);
    assert_eq!(form.origin("optim.lr"), "changed here");
    form.set("model.heads", "5");
    let error = form.resolved.as_ref().expect_err("64 does not divide by 5");
    assert!(error.contains("not divisible") && !error.contains("--set"), "{error}");
    assert_eq!(form.text("model.heads"), "5", "the wrong text stays to be mended");
    form.reset("model.heads");
    form.set("optim.lr", &form.preset_text("optim.lr"));
    assert!(form.edits.is_empty() && form.resolved.is_ok(), "the preset's own text is no change");
}

#[test]
fn a_recorded_experiment_comes_back_through_the_form() {
    let mut form = Form::from_preset("demo");
    form.set("model.stem", "1Proj");
    form.set("optim.betas", "0.9, 0.95");
    let experiment = form.resolved.expect("a fine experiment").experiment;
    let again = Form::from_experiment("again", &experiment);
    assert_eq!(again.resolved.expect("the same experiment").experiment, experiment);
}

#[test]
fn the_twin_differs_in_the_stem_alone() {
    let twin = TwinForm::default();
    let [mut a, mut b] = [0, 1].map(|side| twin.experiment(side).expect("the setting is right"));
    assert_ne!(a.model.stem, b.model.stem);
    for experiment in [&mut a, &mut b] {
        experiment.model.stem.clear();
    }
    assert_eq!(a, b);
}

#[test]
fn every_remedy_can_be_trained() {
    for stem in STEMS {
        let mut form = Form::from_preset("demo");
        form.set("model.stem", stem);
        let experiment = form.resolved.expect("a stem of the paper").experiment;
        let remedies = remedies_of(&experiment);
        assert!(remedies.len() >= 3, "{stem}");
        for remedy in remedies {
            assert_ne!(remedy.experiment, experiment, "{stem}: {}", remedy.title);
            remedy.experiment.check_for_training().unwrap_or_else(|error| panic!("{stem}: {}: {error}", remedy.title));
            remedy.experiment.check().unwrap_or_else(|error| panic!("{stem}: {}: {error}", remedy.title));
        }
    }
}
