//! All that the screens show, and what a person asks for. No host in here: screens put
//! [`Action`]s down, and the app carries them out between two frames.

use super::form::Form;
use super::host::{Abilities, Checkup, Export, Order, RunKey, Saved};
use super::panels::twin::TwinForm;
use super::runs::{Run, Runs};
use super::view::{Screen, View};
use crate::run::command::Command;
use crate::run::tensors::Tensors;

/// Something a person asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Shows a screen.
    Go(Screen),
    /// Selects a run, or takes it out of the selection.
    Toggle(RunKey),
    /// Selects these runs and no other, and shows a screen.
    Show(Vec<RunKey>, Screen),
    /// Starts trainings, selects them and shows a screen.
    Train(Vec<Order>, Screen),
    /// Asks something of a training.
    Command(RunKey, Command),
    /// Moves the playhead; none follows the newest step.
    Seek(Option<u64>),
    /// Plays, or pauses: the training, or the recorded steps.
    PlayPause,
    /// One step of the training, or of the playhead.
    StepOnce,
    /// Moves the playhead to the next probe (forward or back).
    SeekProbe(bool),
    /// Moves the playhead to the next event.
    SeekEvent,
    /// Moves the playhead by so many steps.
    SeekBy(i64),
    /// Reads a probe file.
    ReadProbe(RunKey, u64),
    /// Opens a failed run again.
    Retry(RunKey),
    /// Reads the list of runs again.
    Refresh,
    /// Saves a file.
    Save(Saved),
    /// Saves a run, or its weights, as one file.
    Export(RunKey, Export),
    /// Asks whether a run is to go for good; none: it is not.
    AskToDelete(Option<RunKey>),
    /// Removes a run for good.
    Delete(RunKey),
    /// Saves a picture of the window.
    Picture,
    /// Copies a link to this view.
    Share,
    /// Dark to light and back.
    SwitchTheme,
    /// Lets the person pick files.
    PickFiles,
    /// Lets the person pick a folder.
    PickFolder,
    /// Opens what is at a path or an address.
    OpenPath(String),
    /// Begins the self-test.
    CheckUp,
    /// Opens or closes the command palette.
    Palette,
    /// Opens or closes the list of runs.
    RunList,
    /// Opens or closes the list of keys.
    Keys,
}

/// A passing message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// One sentence.
    pub text: String,
    /// When it goes, seconds on the interface's clock; none as long as it was not shown.
    pub until_secs: Option<f64>,
}

/// All that the screens show.
#[derive(Debug, Default)]
pub struct Model {
    /// What a link says.
    pub view: View,
    /// Runs, listed and open.
    pub runs: Runs,
    /// What this machine or browser can do.
    pub abilities: Abilities,
    /// The config form.
    pub form: Form,
    /// What the twin is trained with.
    pub twin: TwinForm,
    /// What the doctor found; none as long as nobody asked.
    pub checkup: Option<Checkup>,
    /// Arrays of a dropped safetensors file, with its name.
    pub weights: Option<(String, Tensors)>,
    /// Passing messages, oldest first.
    pub messages: Vec<Message>,
    /// Text in the list's filter.
    pub filter: String,
    /// Whether the command palette is open, and its text.
    pub palette: Option<String>,
    /// The path being typed, while one is asked for.
    pub path_entry: Option<String>,
    /// The run that is to go for good, while the person is asked.
    pub deleting: Option<RunKey>,
    /// Whether the list of runs is open; none as long as the width decides.
    pub is_list_open: Option<bool>,
    /// Whether the list of keys is open.
    pub are_keys_open: bool,
    /// Whether the playhead moves by itself.
    pub is_playing: bool,
    /// The probe position hovered now, for all screens: image, patch.
    pub hovered_patch: Option<usize>,
    actions: Vec<Action>,
}

impl Model {
    /// Puts an action down; it is carried out after this frame.
    pub fn ask(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Takes what was asked for.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Shows a passing message.
    pub fn say(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.messages.last().is_none_or(|last| last.text != text) {
            self.messages.push(Message { text, until_secs: None });
        }
    }

    /// The selected runs that are open, in the order of their colours.
    pub fn selected(&self) -> Vec<&Run> {
        self.view.runs.iter().filter_map(|key| self.runs.get(key)).collect()
    }

    /// The run that screens for one run show: the first selected one.
    pub fn lead(&self) -> Option<&Run> {
        self.view.runs.iter().find_map(|key| self.runs.get(key))
    }

    /// The playhead of a run: where it stands, or the newest step.
    pub fn step_of(&self, run: &Run) -> u64 {
        self.view.step.unwrap_or(u64::MAX).min(run.last_step())
    }

    /// The first selected training of these screens that is under way, if one is.
    pub fn training(&self) -> Option<&Run> {
        self.selected().into_iter().find(|run| run.takes_commands())
    }

    /// All of them.
    pub fn trainings(&self) -> Vec<RunKey> {
        let under_way = self.selected().into_iter().filter(|run| run.takes_commands());
        under_way.map(|run| run.head.key.clone()).collect()
    }

    /// The patch under the pointer, or the chosen one.
    pub fn patch(&self) -> Option<usize> {
        self.hovered_patch.or(self.view.patch)
    }

    /// The last step of all selected runs.
    pub fn last_step(&self) -> u64 {
        self.selected().iter().map(|run| run.last_step()).max().unwrap_or(0)
    }
}
