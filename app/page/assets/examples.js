// What a visitor may begin with.

/** Two plots in a person's own words, and a taste. */
export const EXAMPLES = [
  { label: "A plot", state: { kind: "plot", plot: "Two strangers meet on a train and talk all night" } },
  { label: "A plot", state: { kind: "plot", plot: "A lighthouse keeper hides a child from the war, and the village begins to ask questions" } },
  { label: "A taste", text: "Loved Alien and Solaris, not E.T.", state: { kind: "films", liked: ["alien-1979", "solaris-1972"], disliked: ["e-t-the-extra-terrestrial-1982"] } },
];

export const SHELF = 18;
