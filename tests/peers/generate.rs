//! Crontabs that people write, and those that they write by mistake. Knows the forms of lines and what goes wrong in
//! them; not what any cron makes of it.

use crate::chance::Chance;

/// Whose crontab a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A user's.
    User,
    /// A user's whose uid is 0.
    Root,
    /// The system's, with a user column.
    System,
}

/// One crontab.
#[derive(Clone, Debug)]
pub struct Case {
    pub whose: Whose,
    pub text: Vec<u8>,
}

/// A crontab of a line or a few, most of which can be read.
pub fn case(chance: &mut Chance) -> Case {
    let whose =
        *chance.pick(&[Whose::User, Whose::User, Whose::Root, Whose::System, Whose::System]);
    let mut text = Vec::new();
    let lines = if chance.one_in(4) { chance.between(2, 4) } else { 1 };
    for _ in 0..lines {
        if chance.one_in(8) {
            text.extend(assignment(chance));
            text.push(b'\n');
        }
        text.extend(line(chance, whose));
        text.push(b'\n');
    }
    if chance.one_in(12) {
        spoil(chance, &mut text);
    }
    Case { whose, text }
}

/// A line whose forms all crons know, with at most one of the day fields restricted, and a command of its own.
pub fn plain(chance: &mut Chance, number: usize) -> Case {
    let whose = *chance.pick(&[Whose::User, Whose::System]);
    let mut fields: Vec<String> = UNITS.iter().map(|unit| plain_field(chance, unit)).collect();
    let free = if chance.one_in(2) { 2 } else { 4 };
    fields[free] = "*".to_owned();
    let user = if whose == Whose::System { "nobody " } else { "" };
    Case { whose, text: format!("{} {user}x {number}\n", fields.join(" ")).into_bytes() }
}

struct Unit {
    first: i64,
    last: i64,
    names: &'static [&'static str],
}

const UNITS: [Unit; 5] = [
    Unit { first: 0, last: 59, names: &[] },
    Unit { first: 0, last: 23, names: &[] },
    Unit { first: 1, last: 31, names: &[] },
    Unit {
        first: 1,
        last: 12,
        names: &[
            "jan", "feb", "mar", "apr", "May", "JUN", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Unit { first: 0, last: 7, names: &["sun", "mon", "Tue", "wed", "thu", "FRI", "sat"] },
];

fn plain_field(chance: &mut Chance, unit: &Unit) -> String {
    let mut number =
        || chance.between(unit.first, unit.last.min(if unit.last == 7 { 6 } else { 99 }));
    let (a, b) = (number(), number());
    let (a, b) = (a.min(b), a.max(b));
    match chance.between(0, 6) {
        0 => a.to_string(),
        1 => format!("{a}-{b}"),
        2 => format!("{a}-{b}/{}", chance.between(1, 9)),
        3 => format!("{a},{b}"),
        4 if unit.first == 0 => format!("*/{}", chance.between(1, 9)),
        _ => "*".to_owned(),
    }
}

fn line(chance: &mut Chance, whose: Whose) -> Vec<u8> {
    let mut line = Vec::new();
    match chance.between(0, 24) {
        0 => return odd_line(chance),
        1 => line.extend(*chance.pick(&[&b" "[..], b"\t", b"  \t "])),
        2 => line.push(b'-'),
        _ => {}
    }
    if chance.one_in(9) {
        line.extend(nickname(chance).as_bytes());
    } else {
        for unit in &UNITS {
            line.extend(field(chance, unit).as_bytes());
            if unit.last != 7 {
                line.extend(blank(chance));
            }
        }
    }
    if chance.one_in(60) {
        return line;
    }
    line.extend(blank(chance));
    if whose == Whose::System {
        line.extend(if chance.one_in(40) {
            word(chance)
        } else {
            chance.pick(&["root", "nobody"]).as_bytes().to_vec()
        });
        line.extend(blank(chance));
    }
    if chance.one_in(20) {
        let flags =
            ["-n", "-q", "-s", "-nq", "-n -n", "-", "-x", "-n -q", "*", "* *", "7", "2026", "root"];
        line.extend(chance.pick(&flags).as_bytes());
        line.extend(blank(chance));
    }
    line.extend(command(chance));
    line
}

fn blank(chance: &mut Chance) -> &'static [u8] {
    let odd: [&[u8]; 6] = [b"\t", b"  ", b" \t", b"\t\t ", b"\x0b", b"\x0c"];
    match chance.between(0, 40) {
        0 => chance.pick::<&[u8]>(&odd),
        1..5 => chance.pick::<&[u8]>(&odd[..4]),
        _ => b" ",
    }
}

fn nickname(chance: &mut Chance) -> String {
    let known = [
        "@yearly",
        "@annually",
        "@monthly",
        "@weekly",
        "@daily",
        "@midnight",
        "@hourly",
        "@reboot",
    ];
    let odd = [
        "@",
        "@Daily",
        "@every_minute",
        "@daily,",
        "@dail",
        "@HOURLY",
        "@noon",
        "@reboot1",
        "@weekly*",
    ];
    (if chance.one_in(5) { chance.pick(&odd) } else { chance.pick(&known) }).to_string()
}

fn field(chance: &mut Chance, unit: &Unit) -> String {
    if chance.one_in(3) {
        return "*".to_owned();
    }
    let mut items = vec![item(chance, unit)];
    while chance.one_in(4) {
        items.push(item(chance, unit));
    }
    items.join(",")
}

fn item(chance: &mut Chance, unit: &Unit) -> String {
    if chance.one_in(60) {
        let odd = [
            "",
            "*5",
            "**",
            "*-5",
            "L",
            "$",
            "?",
            "5#2",
            "0.5",
            "1-5-9",
            "5;6",
            "*/5/2",
            "~",
            "0~30",
            "~30",
            "30~",
            "~/15",
            "0~59/15",
            "4294967296",
            "4294967297",
            "2147483648",
            "99999999999999999999",
            "-1",
            "+5",
            "0x5",
            "5l",
            "January",
            "mon1",
            "sunday",
            "monday-fri",
            "*/-5",
            "*/+5",
            "*/x",
            "*/",
            "1-",
            "-",
            "/",
            "/5",
            "1/0",
            "5/15",
            "7-1",
            "*/*",
            "jan",
            "*/4294967297",
            "*/2147483648",
            "1-4294967297",
            "*\\",
            "5%",
            "\"5\"",
            "5=",
            "=5",
        ];
        return chance.pick(&odd).to_string();
    }
    if chance.one_in(5) {
        return format!("*{}", step(chance, unit));
    }
    let from = value(chance, unit);
    if chance.one_in(3) {
        let to = value(chance, unit);
        return format!(
            "{from}-{to}{}",
            if chance.one_in(3) { step(chance, unit) } else { String::new() }
        );
    }
    if chance.one_in(50) { format!("{from}{}", step(chance, unit)) } else { from }
}

fn value(chance: &mut Chance, unit: &Unit) -> String {
    if !unit.names.is_empty() && chance.one_in(4) {
        return chance.pick(unit.names).to_string();
    }
    match chance.between(0, 60) {
        0 => (unit.last + chance.between(1, 5)).to_string(),
        1 => (unit.first - 1).to_string(),
        2 => format!("0{}", chance.between(unit.first, unit.last)),
        3 => format!("00{}", chance.between(unit.first, unit.last)),
        4 => unit.last.to_string(),
        5 => unit.first.to_string(),
        _ => chance.between(unit.first, unit.last).to_string(),
    }
}

fn step(chance: &mut Chance, unit: &Unit) -> String {
    match chance.between(0, 12) {
        0 => format!("/{}", unit.last + chance.between(0, 50)),
        1 if chance.one_in(3) => "/0".to_owned(),
        2 => "/1".to_owned(),
        _ => format!("/{}", chance.between(1, unit.last)),
    }
}

/// A command, and perhaps what it reads.
fn command(chance: &mut Chance) -> Vec<u8> {
    let mut command = letters(chance).into_bytes();
    if chance.one_in(3) {
        let pieces: [&[u8]; 24] = [
            b" ",
            b"%",
            b"\\%",
            b"\\\\%",
            b"\\\\\\%",
            b"\\",
            b"\\\\",
            b"a",
            b"  ",
            b"\t",
            b"'",
            b"\"",
            b"=",
            b"#",
            b" # ",
            b"%%",
            b"b=c",
            b"*",
            b"\xc3\xa9",
            b"\xff",
            b"$HOME",
            b"~",
            b"\x0b",
            b";",
        ];
        for _ in 0..chance.between(1, 9) {
            command.extend(*chance.pick(&pieces));
        }
    }
    if chance.one_in(150) {
        let length = *chance.pick(&[500, 970, 990, 995, 998, 999, 1000, 1003, 2000, 5000]);
        command.resize(length, b'y');
    }
    command
}

fn letters(chance: &mut Chance) -> String {
    (0..chance.between(1, 6)).map(|_| char::from(chance.between(97, 122) as u8)).collect()
}

fn word(chance: &mut Chance) -> Vec<u8> {
    chance.pick(&[&b"daemonx"[..], b"/bin/sh", b"ROOT", b"-", b"*", b"root:x"]).to_vec()
}

fn assignment(chance: &mut Chance) -> Vec<u8> {
    let names: [&[u8]; 26] = [
        b"A",
        b"B",
        b"MAILTO",
        b"SHELL",
        b"PATH",
        b"HOME",
        b"LOGNAME",
        b"USER",
        b"CRON_TZ",
        b"TZ",
        b"RANDOM_DELAY",
        b"1A",
        b"*",
        b"A.B",
        b"\"A B\"",
        b"'A'",
        b"\"A\"",
        b"",
        b"export A",
        b"A B",
        b"\xc3\xa9",
        b"\"A",
        b"A\"",
        b"A'B",
        b"MAILFROM",
        b"@daily",
    ];
    let values: [&[u8]; 28] = [
        b"b",
        b"b c",
        b"",
        b"\"\"",
        b"''",
        b"\"b\"",
        b"'b'",
        b"\"  b  \"",
        b"\"'b'\"",
        b"'\"b\"'",
        b"\"b\" c",
        b"\"b",
        b"'b\"",
        b"b\"c\"d",
        b"b # c",
        b"$HOME/b",
        b"b\\",
        b"b=c",
        b"\" 'b' \"",
        b"\"\"b\"\"",
        b"b  ",
        b"\t",
        b"0",
        b"/bin/sh",
        b"\"",
        b"'",
        b"\"b\"  ",
        b"b\x0b",
    ];
    let equals: [&[u8]; 8] = [b"=", b"=", b"=", b" = ", b"= ", b" =", b"\t=\t", b"=="];
    let mut line = chance.pick(&names).to_vec();
    line.extend(*chance.pick(&equals));
    // These two change when entries are due; they have cases of their own.
    let value: &[u8] = match line.get(..4) {
        Some(b"CRON") => {
            chance.pick::<&[u8]>(&[&b"UTC"[..], b"Asia/Tokyo", b"\"America/New_York\""])
        }
        Some(b"RAND") => b"0",
        _ => chance.pick::<&[u8]>(&values),
    };
    line.extend(value);
    line
}

fn odd_line(chance: &mut Chance) -> Vec<u8> {
    let odd: [&[u8]; 20] = [
        b"",
        b"#",
        b"  # x",
        b"x",
        b"* * * *",
        b"* * * * *",
        b"* * * * * ",
        b"\r",
        b"\\",
        b"* * * * * \\",
        b"@daily",
        b"@daily ",
        b"* * * * * * x",
        b"1 2 3 4 5 6",
        b"1, 2 * * * x",
        b"\xef\xbb\xbf* * * * * x",
        b"-",
        b"- * * * * x",
        b"*\t*\t*\t*\t*\tx",
        b"\x0b",
    ];
    chance.pick(&odd).to_vec()
}

/// What editors, other systems and broken disks do to a file.
fn spoil(chance: &mut Chance, text: &mut Vec<u8>) {
    let at = chance.between(0, text.len() as i64 - 1) as usize;
    match chance.between(0, 6) {
        0 => drop(text.pop()),
        1 => {
            let crlf = String::from_utf8_lossy(text).replace('\n', "\r\n");
            *text = crlf.into_bytes();
        }
        2 => drop(text.splice(0..0, *b"\xef\xbb\xbf")),
        3 => text.insert(at, 0),
        4 => text.insert(at, chance.between(128, 255) as u8),
        5 => text.insert(at, chance.between(1, 127) as u8),
        _ => drop(text.remove(at)),
    }
}
