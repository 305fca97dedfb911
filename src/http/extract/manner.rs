//! The language and the form that a client wants its answer in.

use actix_web::HttpRequest;
use actix_web::http::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderName};

/// The language and the form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// English instead of Chinese.
    pub english: bool,
    /// The bare message instead of JSON.
    pub plain: bool,
    /// Refusals as 4xx instead of 200.
    pub strict_status: bool,
}

impl Manner {
    /// What the request's headers ask for. The default is Chinese and JSON.
    pub fn of(request: &HttpRequest, strict_status: bool) -> Self {
        let header = |name: HeaderName| request.headers().get(name)?.to_str().ok();
        let language = header(ACCEPT_LANGUAGE);
        let accept = header(ACCEPT);
        Self {
            english: language.is_some_and(|list| prefers(list, is_english, is_chinese)),
            plain: accept.is_some_and(|list| prefers(list, is_plain, is_json)),
            strict_status,
        }
    }
}

fn prefers(list: &str, this: fn(&str) -> bool, that: fn(&str) -> bool) -> bool {
    quality(list, this) > quality(list, that)
}

fn is_english(tag: &str) -> bool {
    tag.get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("en"))
}

fn is_chinese(tag: &str) -> bool {
    tag == "*"
        || tag
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("zh"))
}

fn is_plain(range: &str) -> bool {
    range.eq_ignore_ascii_case("text/plain")
}

fn is_json(range: &str) -> bool {
    range == "*/*" || range.eq_ignore_ascii_case("application/json")
}

/// The highest quality, in thousandths, of the list's items that `matches`; 0 if none does.
fn quality(list: &str, matches: fn(&str) -> bool) -> u16 {
    let items = list.split(',').map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        (name, weight.map_or(1000, thousandths))
    });
    let matching = items.filter(|(name, _)| matches(name));
    matching.map(|(_, weight)| weight).max().unwrap_or(0)
}

fn thousandths(weight: &str) -> u16 {
    let weight = weight.parse::<f32>().unwrap_or(0.0);
    (weight.clamp(0.0, 1.0) * 1000.0) as u16
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn manner(accept: &str, language: &str) -> (bool, bool) {
        let request = TestRequest::default()
            .insert_header((ACCEPT, accept))
            .insert_header((ACCEPT_LANGUAGE, language))
            .to_http_request();
        let manner = Manner::of(&request, false);
        (manner.plain, manner.english)
    }

    #[test]
    fn the_preferred_manner_wins() {
        for (accept, plain) in [
            ("", false),
            ("*/*", false),
            ("text/html, */*;q=0.8", false),
            ("text/plain", true),
            ("text/plain;q=0.5, application/json", false),
            ("application/json;q=0.1, text/plain;q=0.2", true),
            ("text/plain;q=oops", false),
        ] {
            assert_eq!(manner(accept, "").0, plain, "{accept}");
        }
        for (language, english) in [
            ("", false),
            ("zh-CN,zh;q=0.9,en;q=0.8", false),
            ("en-US,en;q=0.9,zh;q=0.8", true),
            ("fr,en;q=0.5", true),
            ("EN", true),
            ("*", false),
            ("é", false),
        ] {
            assert_eq!(manner("", language).1, english, "{language}");
        }
    }
}
