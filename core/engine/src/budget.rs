//! Attempt budgets. They are counted from the journal, so that no crash and no resume can loop for ever (I18).

/// How often one step may be begun in one run, on the way forward or back.
pub const MAX_TRIES: u32 = 3;

/// How often a run may be resumed. After that a human looks at it first.
pub const MAX_RESUMES: u32 = 28;
