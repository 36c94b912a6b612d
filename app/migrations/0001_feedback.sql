CREATE TABLE feedback (
    event_key TEXT NOT NULL PRIMARY KEY,
    recommendation TEXT NOT NULL,
    film TEXT NOT NULL,
    event TEXT NOT NULL,
    position INTEGER,
    kind TEXT NOT NULL,
    technique TEXT NOT NULL,
    models TEXT NOT NULL,
    at_ms BIGINT NOT NULL
);

CREATE INDEX feedback_by_recommendation ON feedback (recommendation);

CREATE INDEX feedback_by_film ON feedback (film, event);
