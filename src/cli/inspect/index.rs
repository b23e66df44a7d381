//! `index.html`: every file of a look with its caption. No script, nothing from elsewhere.

use vitrine::train::inspect::{Report, Request};

use super::Written;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}\
figure{margin:1.5rem 0}img{max-width:100%;image-rendering:pixelated}figcaption{color:#444}td{padding:.1rem 1rem .1rem 0;vertical-align:top}";

/// The page over `files`.
pub fn page(request: &Request, report: &Report, files: &[Written]) -> Written {
    let head = [
        ("Weights", request.weights.display().to_string()),
        ("Stem", request.experiment.model.stem.clone()),
        ("Images shown", report.names.join(", ")),
        ("Images in the numbers", report.num_images.to_string()),
        ("Computed on", report.device.clone()),
    ];
    let rows: String = head.iter().map(|(title, value)| format!("<tr><td>{title}</td><td>{}</td></tr>\n", escaped(value))).collect();
    let is_picture = |file: &&Written| file.name.ends_with(".png");
    let figures: String = files.iter().filter(is_picture).map(figure).collect();
    let links: String = files.iter().filter(|file| !is_picture(file)).map(link).collect();
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Vitrine: inside a model</title>\n<style>{STYLE}</style></head>\n\
         <body>\n<h1>Inside a model</h1>\n<table>\n{rows}</table>\n<h2>Tables</h2>\n<ul>\n{links}</ul>\n<h2>Pictures</h2>\n{figures}</body>\n</html>\n"
    );
    Written { name: "index.html".to_string(), caption: "All files with captions".to_string(), bytes: text.into_bytes() }
}

fn figure(file: &Written) -> String {
    let (name, caption) = (escaped(&file.name), escaped(&file.caption));
    format!("<figure><img src=\"{name}\" alt=\"{caption}\"><figcaption>{caption} ({name})</figcaption></figure>\n")
}

fn link(file: &Written) -> String {
    let (name, caption) = (escaped(&file.name), escaped(&file.caption));
    format!("<li><a href=\"{name}\">{name}</a> {caption}</li>\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
