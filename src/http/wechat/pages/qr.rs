//! QR codes as SVG, drawn here: no ticket is ever told to somebody else's server.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use crate::domain::ids::OrderId;

/// Smallest side of the drawing, in pixels; pages scale it.
const SIDE_MIN: u32 = 240;

/// The ticket's number as an `<svg>` element, dark on white, with the margin that scanners need.
pub fn svg(ticket: &OrderId) -> String {
    // A QR code takes a hundred times more than the longest number of a ticket.
    let code = QrCode::with_error_correction_level(ticket.as_str(), EcLevel::M);
    let drawn = code.map(|code| {
        code.render::<svg::Color<'_>>()
            .min_dimensions(SIDE_MIN, SIDE_MIN)
            .dark_color(svg::Color("#000"))
            .light_color(svg::Color("#fff"))
            .build()
    });
    let drawn = drawn.unwrap_or_default();
    // Without the XML declaration, which has no place inside a page.
    let start = drawn.find("<svg").unwrap_or_default();
    drawn[start..].to_owned()
}
