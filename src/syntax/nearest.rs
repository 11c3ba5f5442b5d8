//! Which word was meant by one that is none: for all who say "did you mean". Knows no words.

/// Longer words are no slips of the pen.
const LONGEST: usize = 16;

/// The word that is nearest, at most two slips away, and fewer than for every second letter of it.
pub fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if word.chars().count() > LONGEST {
        return None;
    }
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let measured = names.map(|name| {
        let letters: Vec<char> = name.chars().collect();
        (slips(&word, &letters), letters.len(), name)
    });
    let near = measured.filter(|(slips, length, _)| *slips <= 2 && slips * 2 < *length);
    near.min_by_key(|(slips, ..)| *slips).map(|(.., name)| name)
}

/// How many letters must be added, dropped, changed or swapped with the next to make one of the other.
fn slips(one: &[char], other: &[char]) -> usize {
    let mut table = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for (row, letter) in one.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, wanted) in other.iter().enumerate() {
            let changed = table[row][column] + usize::from(letter != wanted);
            let least = changed.min(table[row][column + 1] + 1).min(line[column] + 1);
            let swapped =
                row > 0 && column > 0 && *letter == other[column - 1] && one[row - 1] == *wanted;
            line.push(if swapped { least.min(table[row - 1][column - 1] + 1) } else { least });
        }
        table.push(line);
    }
    table[one.len()][other.len()]
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
