//! What holds for every API alike, and frames of real clients.

mod golden;
mod hostile;
mod oracle;
