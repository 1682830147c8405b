// Formats numbers for people.

const COUNT = new Intl.NumberFormat("en-US");
const DOLLARS = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const FRACTIONS = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 2 });
const SMALLEST_SHOWN_USD = 0.000001;

export function formatCount(count) {
  return COUNT.format(count);
}

/** A turn often costs less than a hundredth of a cent: two significant digits, never 0.00 or 4e-7. */
export function formatCost(usd, words) {
  if (usd === null || usd === undefined) return words.noPrice;
  if (usd === 0) return "$0";
  if (usd < SMALLEST_SHOWN_USD) return "< $0.000001";
  return `$${(usd < 1 ? FRACTIONS : DOLLARS).format(usd)}`;
}

export function formatSeconds(milliseconds) {
  return (milliseconds / 1000).toFixed(milliseconds < 10_000 ? 2 : 1);
}

/** 9 s, 75 s as 1:15. */
export function formatCountdown(seconds, words) {
  if (seconds < 60) return words.seconds(seconds);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
