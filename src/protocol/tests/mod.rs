//! What holds for every API alike, and frames of real clients.

mod hostile;
mod oracle;
