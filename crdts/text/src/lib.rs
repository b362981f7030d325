//! A text that many people edit at once.
