//! Figures, tables and pages.
//!
//! Figures are drawn as SVG that reads on light and dark paper alike: no background, text and axes in a grey that both carry, lines in the
//! colours of Okabe and Ito, which colour-blind readers tell apart.

mod base64;
pub mod explain;
pub mod gradient_flow;
pub mod page;
pub mod published;
pub mod table1;
pub mod table2;

use plotters::style::RGBColor;

/// Text, axes and grids.
const INK: RGBColor = RGBColor(0x76, 0x76, 0x76);
/// The thing shown.
const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
/// What it is compared with.
const VERMILLION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
