//! The nearest known name to a mistyped one.

/// The known name nearest to `given`, where one is near enough to be meant.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A long stray text is no typing mistake; not comparing it also bounds the work.
    if given.chars().count() > 64 {
        return None;
    }
    let given = given.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|name| {
            let known = name.replace('-', "_");
            let longer = given.len() >= 3 && known.len() >= 3;
            let same_start = known.starts_with(&given) || given.starts_with(&known);
            match longer && same_start {
                true => (1, name),
                false => (distance(&given, &known), name),
            }
        })
        .filter(|(distance, name)| *distance <= name.chars().count().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many insertions, deletions, replacements and exchanges of neighbours turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("memry", "memory"), 1);
        assert_eq!(distance("memroy", "memory"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn only_near_names_are_offered() {
        let known = ["memory", "processes", "cpus", "wall_clock"];
        assert_eq!(nearest("memry", known), Some("memory"));
        assert_eq!(nearest("wall-clock", known), Some("wall_clock"));
        assert_eq!(nearest("Cpu", known), Some("cpus"));
        assert_eq!(nearest("process", known), Some("processes"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
    }
}
