//! Unpacks an image layout: `unpack CACHE LAYOUT [REFERENCE]`. The cache is a directory of your own.

use cofferdam_image::{Cache, Options};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(cache), Some(source)) = (arguments.next(), arguments.next()) else {
        return Err("usage: unpack CACHE LAYOUT [REFERENCE]".into());
    };
    let reference = arguments.next().and_then(|r| r.into_string().ok());
    let cache = Cache::open(cache.as_ref())?;
    let options = Options {
        reference,
        ..Options::default()
    };
    let begin = Instant::now();
    let image = cache.unpack(source.as_ref(), &options, &mut |progress| {
        eprint!(
            "\r{:?} {}/{}: {} of {} bytes  ",
            progress.stage, progress.layer, progress.layers, progress.bytes, progress.total
        );
    });
    eprintln!();
    let image = image?;
    println!("{}\n{}", image.digest, image.root.display());
    println!("{:#?}", image.config);
    println!("{:?}", begin.elapsed());
    Ok(())
}
