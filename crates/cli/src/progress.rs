//! A bar while an image is unpacked.

use cofferdam::BuildError;
use cofferdam::image::{self, Image, Progress, Stage};
use cofferdam::policy::Root;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};

/// Unpacks the image at the root, or finds it unpacked. At a terminal a bar shows how far it is.
pub(crate) fn unpack(root: &Root) -> Result<Option<Image>, BuildError> {
    let Root::Image { layout, reference } = root else {
        return Ok(None);
    };
    let mut bar = Bar::default();
    let image = image::unpack(layout, reference.as_deref(), &mut |progress| {
        bar.update(progress);
    });
    Ok(Some(image?))
}

/// Appears with the first layer, since an image that is unpacked already has nothing to wait for.
#[derive(Default)]
struct Bar {
    bar: Option<ProgressBar>,
}

impl Bar {
    fn update(&mut self, progress: Progress) {
        match progress.stage {
            Stage::Layer => {
                let bar = self.bar.get_or_insert_with(show);
                bar.set_length(progress.total);
                bar.set_position(progress.bytes);
                bar.set_message(format!("layer {} of {}", progress.layer, progress.layers));
            }
            Stage::Sync => {
                if let Some(bar) = &self.bar {
                    bar.set_message("to the disk");
                }
            }
            _ => {}
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn show() -> ProgressBar {
    let target = match io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let style = ProgressStyle::with_template("{msg:<16} [{bar:32}] {bytes} of {total_bytes}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
