use belay_facts::Span;

/// What the progress of steps says about the API. The probe's own times are in the report; what is seen here comes a few
/// times a second, so lengths are told as whole seconds.
#[derive(Debug, Default)]
pub(super) struct ApiWatch {
    up: Option<bool>,
    down_since: Option<Span>,
    now: Span,
    last: Option<Span>,
}

impl ApiWatch {
    /// The probe's last shot, at a time since the display began.
    pub fn saw(&mut self, up: bool, now: Span) {
        self.now = now;
        match (up, self.down_since) {
            (false, None) => self.down_since = Some(now),
            (true, Some(since)) => {
                self.last = Some(length(since, now));
                self.down_since = None;
            }
            _ => {}
        }
        self.up = Some(up);
    }

    /// `API up · last outage about 6 s`; empty before the first shot.
    pub fn line(&self) -> String {
        let last = self.last.map_or_else(String::new, |last| format!(" · last outage about {}", seconds(last)));
        match (self.up, self.down_since) {
            (None, _) => String::new(),
            (Some(_), Some(since)) => format!("API down for about {}{last}", seconds(length(since, self.now))),
            (Some(_), None) if last.is_empty() => "API up · no outage so far".to_owned(),
            (Some(_), None) => format!("API up{last}"),
        }
    }
}

fn length(from: Span, to: Span) -> Span {
    Span::millis(to.as_millis().saturating_sub(from.as_millis()))
}

fn seconds(span: Span) -> String {
    format!("{} s", span.as_millis().saturating_add(500) / 1000)
}
