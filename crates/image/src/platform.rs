//! Which images this machine can run.

use crate::text::escaped;
use oci_spec::image::{Arch, Os};

/// The architecture of this machine in Go's terms (image-spec, image-index.md: GOARCH).
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// This machine, as it is shown.
pub(crate) fn this() -> String {
    format!("linux/{}", architecture())
}

/// How well an image for this platform fits here: the less the better, `None` not at all.
///
/// Variants above the baseline (`amd64/v3`) may use instructions that this processor lacks, so the
/// lowest is best.
pub(crate) fn fit(architecture: &Arch, os: &Os, variant: Option<&str>) -> Option<u32> {
    if os.to_string() != "linux" || architecture.to_string() != self::architecture() {
        return None;
    }
    let number = |v: &str| {
        v.strip_prefix('v')
            .and_then(|n| n.split('.').next()?.parse().ok())
    };
    match variant.filter(|v| !v.is_empty()) {
        None => Some(0),
        Some(variant) => Some(number(variant).unwrap_or(u32::MAX)),
    }
}

/// A platform, as it is shown.
pub(crate) fn shown(architecture: &Arch, os: &Os, variant: Option<&str>) -> String {
    let mut text = format!("{os}/{architecture}");
    if let Some(variant) = variant.filter(|v| !v.is_empty()) {
        text.push('/');
        text.push_str(variant);
    }
    escaped(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_baseline_fits_best_and_others_do_not_fit() {
        let here = Arch::from(architecture());
        assert_eq!(fit(&here, &Os::Linux, None), Some(0));
        assert_eq!(fit(&here, &Os::Linux, Some("v3")), Some(3));
        assert_eq!(fit(&here, &Os::Linux, Some("v8.2")), Some(8));
        assert_eq!(fit(&here, &Os::Windows, None), None);
        assert_eq!(fit(&Arch::Wasm, &Os::Linux, None), None);
    }
}
