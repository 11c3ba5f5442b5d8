//! Which word was meant by one that is none: for all who say "did you mean". Knows no words.

/// Longer words are no slips of the pen.
const LONGEST: usize = 16;

/// More slips than this are no slips any more.
const MOST: usize = 2;

/// A line of the table that two words are compared in: of a word that is as much longer, and none of its letters.
const WIDTH: usize = LONGEST + MOST + 1;

/// The word that is nearest, at most two slips away, and fewer than for every second letter of it.
pub fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    if word.len() > LONGEST {
        return None;
    }
    let measured = names.filter_map(|name| {
        let length = name.chars().count();
        // As many slips at least as letters more or less; most words are told apart by that.
        let is_near = length.abs_diff(word.len()) <= MOST;
        is_near.then(|| (slips(&word, &name.chars().collect::<Vec<_>>()), length, name))
    });
    let near = measured.filter(|(slips, length, _)| *slips <= MOST && slips * 2 < *length);
    near.min_by_key(|(slips, ..)| *slips).map(|(.., name)| name)
}

/// How many letters must be added, dropped, changed or swapped with the next to make one of the other.
fn slips(one: &[char], other: &[char]) -> usize {
    let mut before = [0; WIDTH];
    let mut above: [usize; WIDTH] = std::array::from_fn(|column| column);
    for (row, letter) in one.iter().enumerate() {
        let mut line = [0; WIDTH];
        line[0] = row + 1;
        for (column, wanted) in other.iter().enumerate() {
            let changed = above[column] + usize::from(letter != wanted);
            let least = changed.min(above[column + 1] + 1).min(line[column] + 1);
            let swapped =
                row > 0 && column > 0 && *letter == other[column - 1] && one[row - 1] == *wanted;
            line[column + 1] = if swapped { least.min(before[column - 1] + 1) } else { least };
        }
        (before, above) = (above, line);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_slips_are_forgiven_and_one_in_a_short_word() {
        let names = ["mon", "monday", "noon", "überlauf"];
        for (word, meant) in [
            ("mno", Some("mon")),
            ("MODNAY", Some("monday")),
            ("mnodya", Some("monday")),
            ("nooon", Some("noon")),
            ("mxx", None),
            ("munduy", Some("monday")),
            ("ÜBERLUAF", Some("überlauf")),
            ("overflow", None),
            ("", None),
            ("a word of more than sixteen letters", None),
        ] {
            assert_eq!(nearest(word, names.into_iter()), meant, "{word}");
        }
    }
}
