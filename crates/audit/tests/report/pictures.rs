//! Pages as people see them: on a desk and a phone, light and dark, and on paper.

use crate::browser::Browser;
use crate::{Page, kept, session};

/// The views, as their tabs name them.
const VIEWS: [&str; 6] = [
    "timeline",
    "denials",
    "hosts",
    "files",
    "processes",
    "resources",
];

#[test]
fn no_view_is_wider_than_its_screen() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::new(session::example());
    if let Some(directory) = kept() {
        std::fs::copy(page.path(), directory.join("example.html")).expect("a copy");
    }
    for (width, height) in [(1280, 900), (768, 1000), (320, 640)] {
        browser.size(width, height);
        browser.open(&page.path());
        for view in VIEWS {
            browser.value(&format!("document.getElementById('tab-{view}').click()"));
            let wide = browser.value("document.documentElement.scrollWidth");
            assert_eq!(wide, width, "{view}");
            // Nothing is cut off at the side either, other than tabs, which scroll.
            let out = browser.value(
                "[...document.querySelectorAll('body *')].filter(e => !e.closest('#tabs, .skip, [hidden]') && \
                 e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200))",
            );
            assert_eq!(out, serde_json::json!([]), "{view} at {width}");
            if let Some(directory) = kept() {
                for scheme in ["light", "dark"] {
                    browser.colours(scheme);
                    let full =
                        browser.value("Math.min(document.documentElement.scrollHeight, 2600)");
                    let full = full.as_u64().expect("a height") as u32;
                    browser.size(width, full.max(height));
                    let name = format!("{view}-{width}-{scheme}.png");
                    std::fs::write(directory.join(name), browser.picture()).expect("a picture");
                    browser.size(width, height);
                }
            }
        }
    }
}

#[test]
fn texts_can_be_read() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::new(session::example());
    for scheme in ["light", "dark"] {
        browser.colours(scheme);
        browser.open(&page.path());
        for view in VIEWS {
            browser.value(&format!("document.getElementById('tab-{view}').click()"));
            let weak = browser.value(CONTRAST);
            assert_eq!(weak, serde_json::json!([]), "{view}, {scheme}");
        }
    }
}

#[test]
fn paper_has_every_view() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::new(session::example());
    browser.open(&page.path());
    browser.value(
        "addEventListener('afterprint', () => { window.printed = true }); \
         addEventListener('beforeprint', () => { window.shown = [...document.querySelectorAll('[role=tabpanel]')] \
         .map((panel) => !panel.hidden && panel.childElementCount > 0) })",
    );
    let document = browser.printed();
    assert!(document.starts_with(b"%PDF-"));
    if let Some(directory) = kept() {
        std::fs::write(directory.join("example.pdf"), document).expect("a document");
    }
    assert_eq!(
        browser.value("window.shown"),
        serde_json::json!([true, true, true, true, true, true])
    );
    // And the screen is as before.
    browser.until("window.printed === true");
    assert_eq!(
        browser.value("document.querySelectorAll('[role=tabpanel]:not([hidden])').length"),
        1
    );
}

/// Texts whose contrast to what is behind them is under 4.5 (WCAG 2.2, 1.4.3).
const CONTRAST: &str = r#"(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = rgba(getComputedStyle(element).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const weak = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!own || !element.checkVisibility()) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) weak.add(`${element.tagName}.${element.className}: ${contrast.toFixed(2)}`);
  }
  return [...weak];
})()"#;
