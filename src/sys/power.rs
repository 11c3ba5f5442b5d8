//! Whether the machine runs on mains power.

use std::path::Path;

/// Whether there is mains power, or nothing that says there is none.
///
/// A supply from outside that is on line is enough. Without one, a battery of the machine's own that is there means
/// that it is what the machine runs on; the battery of a mouse does not.
pub fn on_mains(root: &Path) -> bool {
    let Ok(supplies) = std::fs::read_dir(root.join("sys/class/power_supply")) else { return true };
    let mut is_on_battery = false;
    for supply in supplies.flatten() {
        let says = |name: &str| {
            let text = std::fs::read_to_string(supply.path().join(name)).unwrap_or_default();
            text.trim().to_owned()
        };
        if says("scope") == "Device" {
            continue;
        }
        match says("type").as_str() {
            "Mains" | "USB" | "Wireless" if says("online") == "1" => return true,
            "Battery" if says("present") != "0" => is_on_battery |= is_used(&says("status")),
            _ => {}
        }
    }
    !is_on_battery
}

/// Whether a battery may be what the machine runs on. One that is charged has somebody to charge it.
fn is_used(status: &str) -> bool {
    status != "Charging" && status != "Full"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, supplies: &[(&str, &[(&str, &str)])], mains: bool) {
        let root = std::env::temp_dir().join(format!("rat-power-{}-{name}", std::process::id()));
        for (supply, says) in supplies {
            let directory = root.join("sys/class/power_supply").join(supply);
            std::fs::create_dir_all(&directory).unwrap();
            for (file, text) in *says {
                std::fs::write(directory.join(file), format!("{text}\n")).unwrap();
            }
        }
        let is = on_mains(&root);
        let _ = std::fs::remove_dir_all(&root);
        assert_eq!(is, mains, "{name}");
    }

    #[test]
    fn a_machine_runs_on_mains_unless_a_battery_of_its_own_is_used() {
        let (on, off) =
            ([("type", "Mains"), ("online", "1")], [("type", "Mains"), ("online", "0")]);
        let battery = |status| [("type", "Battery"), ("present", "1"), ("status", status)];
        check("nothing", &[], true);
        check("desktop", &[("AC", &off)], true);
        check("plugged", &[("AC", &on), ("BAT0", &battery("Discharging"))], true);
        check("unplugged", &[("AC", &off), ("BAT0", &battery("Discharging"))], false);
        check("unknown", &[("AC", &off), ("BAT0", &battery("Unknown"))], false);
        check("no-adapter", &[("BAT0", &battery("Discharging"))], false);
        check("charging", &[("BAT0", &battery("Charging"))], true);
        let mouse = [("type", "Battery"), ("scope", "Device"), ("status", "Discharging")];
        check("mouse", &[("hid", &mouse)], true);
        let gone = [("type", "Battery"), ("present", "0"), ("status", "Unknown")];
        check("taken-out", &[("BAT0", &gone)], true);
        let dock = [("type", "USB"), ("online", "1")];
        check("dock", &[("AC", &off), ("ucsi", &dock), ("BAT0", &battery("Discharging"))], true);
    }
}
