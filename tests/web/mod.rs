//! The page in a real browser, driven through the DevTools protocol, on WebGPU and without it.
//!
//! `VITRINE_SITE` names the folder of a built site (`cargo web --out DIR`); without it, or without a
//! Chromium, these tests say SKIPPED. With `REQUIRE_BROWSER=1` they fail instead.

/// What a browser is advised.
mod advice;
/// A browser and what it is asked.
mod chrome;
/// A training of this machine, followed.
mod live;
/// Letters, themes, keys, addresses.
mod look;
/// The page as scripts see it.
mod page;
/// What must work in every browser.
mod scenes;
/// The page's summary of what happened.
mod state;
