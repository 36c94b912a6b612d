// Tells when a card has really been on the screen: half of it, for half a second.
const LONG_ENOUGH_MS = 500;

const pending = new Map();
const actions = new WeakMap();

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      clearTimeout(pending.get(target));
      pending.delete(target);
      if (!isIntersecting) continue;
      pending.set(target, setTimeout(() => {
        pending.delete(target);
        observer.unobserve(target);
        actions.get(target)();
      }, LONG_ENOUGH_MS));
    }
  },
  { threshold: 0.5 },
);

/** Calls `action` once when `element` was seen. */
export function whenSeen(element, action) {
  actions.set(element, action);
  observer.observe(element);
}

/** Forgets every element that was not seen yet: they have left the page. */
export function forgetUnseen() {
  observer.disconnect();
  for (const timer of pending.values()) clearTimeout(timer);
  pending.clear();
}
