//! Bytes that people wrote: commands, scripts, environment values. Usually UTF-8, never assumed to be.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text as it stands in a crontab, a script or a job's output: any bytes.
///
/// In JSON it is `{"text": "…"}`, or `{"base64": "…"}` where it is not UTF-8.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub Vec<u8>);

impl Text {
    /// The text for people, with anything that is not UTF-8 replaced.
    pub fn shown(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(text.as_bytes().to_vec())
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

#[derive(Serialize, Deserialize)]
struct Wire<'t> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'t, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = match str::from_utf8(&self.0) {
            Ok(text) => Wire { text: Some(text.into()), base64: None },
            Err(_) => Wire { text: None, base64: Some(STANDARD.encode(&self.0)) },
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        match Wire::deserialize(deserializer)? {
            Wire { text: Some(text), base64: None } => Ok(Text(text.into_owned().into_bytes())),
            Wire { text: None, base64: Some(base64) } => {
                STANDARD.decode(base64).map(Text).map_err(serde::de::Error::custom)
            }
            _ => {
                Err(serde::de::Error::custom("exactly one of \"text\" and \"base64\" is expected"))
            }
        }
    }
}
