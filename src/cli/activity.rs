//! The flags of `seckill sale put` that make a sale an activity, and its lines in `sale show`.

use clap::Args;

use super::values::{WindowBound, window_bound};
use crate::domain::sale::activity::{Activity, ActivityEdit, Keyword};
use crate::operation::activity::{description, picture, place};
use crate::operation::{self, times};

/// What changes about an activity.
#[derive(Debug, Args)]
pub struct ActivityFlags {
    /// Make it an activity, which the ticket office sells: what people type to mean it, up to 64
    /// bytes, no white space; empty takes it off show
    #[arg(long, value_parser = keyword)]
    keyword: Option<Shown>,
    /// Of an activity: where it is; empty removes it
    #[arg(long, value_parser = place)]
    place: Option<String>,
    /// Of an activity: when it starts: RFC 3339, epoch seconds, or `none`
    #[arg(long, value_parser = window_bound, value_name = "TIME")]
    starts_at: Option<WindowBound>,
    /// Of an activity: when it ends: RFC 3339, epoch seconds, or `none`
    #[arg(long, value_parser = window_bound, value_name = "TIME")]
    ends_at: Option<WindowBound>,
    /// Of an activity: address of a picture, http:// or https://; empty removes it
    #[arg(long, value_parser = picture, value_name = "URL")]
    picture: Option<String>,
    /// Of an activity: what people read about it, up to 2000 bytes in one or several lines; empty
    /// removes it
    #[arg(long, value_parser = description)]
    description: Option<String>,
}

/// A keyword; `None` inside is none. (clap takes an `Option` for an absent flag.)
#[derive(Debug, Clone)]
struct Shown(Option<Keyword>);

fn keyword(text: &str) -> Result<Shown, String> {
    operation::activity::keyword(text).map(Shown)
}

impl ActivityFlags {
    /// The change that the flags ask for.
    pub fn edit(&self) -> ActivityEdit {
        ActivityEdit {
            keyword: self.keyword.clone().map(|shown| shown.0),
            place: self.place.clone(),
            starts_at: self.starts_at.map(|bound| bound.0),
            ends_at: self.ends_at.map(|bound| bound.0),
            picture: self.picture.clone(),
            description: self.description.clone(),
        }
    }
}

fn keyword_shown(activity: &Activity) -> String {
    let keyword = activity.keyword.as_ref().map(Keyword::to_string);
    keyword.unwrap_or_else(|| "none: not on show".to_owned())
}

/// The lines of an activity, and each line of its description.
pub fn rows(activity: &Activity) -> Vec<(&'static str, String)> {
    let mut description = activity.description.lines();
    let first = description.next().unwrap_or_default();
    let mut rows = vec![
        ("keyword", keyword_shown(activity)),
        ("place", activity.place.clone()),
        ("starts at", times::show(activity.starts_at)),
        ("ends at", times::show(activity.ends_at)),
        ("picture", activity.picture.clone()),
        ("description", first.to_owned()),
    ];
    rows.extend(description.map(|line| ("", line.to_owned())));
    rows
}
