// One figure for each genre, for the covers: flat shapes on a field of 200 by 190, varied by the film's own dice.
// `roll(from, to)` gives a number, `pick(list)` an entry; the same film always rolls the same.
import { s } from "./dom.js";

const circle = (cx, cy, r, more) => s("circle", { cx, cy, r, ...more });
const rect = (x, y, width, height, more) => s("rect", { x, y, width, height, ...more });
const path = (d, more) => s("path", { d, ...more });
const ring = (cx, cy, r, width, stroke) => circle(cx, cy, r, { fill: "none", stroke, "stroke-width": width });
const times = (count, make) => Array.from({ length: count }, (_, at) => make(at));
const f = (value) => value.toFixed(1);

/** Two circles and what they share. */
function lens(roll, ink, spot) {
  const [r, apart, tilt] = [roll(50, 58), roll(24, 36), roll(-24, 24)];
  const reach = Math.sqrt(r * r - apart * apart);
  const shape = `M0 ${f(-reach)}A${f(r)} ${f(r)} 0 0 1 0 ${f(reach)}A${f(r)} ${f(r)} 0 0 1 0 ${f(-reach)}Z`;
  return [s("g", { transform: `translate(100 95) rotate(${f(tilt)})` }, ring(-apart, 0, r, 3, ink), ring(apart, 0, r, 3, ink), path(shape, { fill: spot }))];
}

/** Named by genre; each takes the dice and the two colours that may stand on the ground. */
export const FIGURES = {
  Action({ roll }, ink, spot) {
    const [x, y] = [roll(50, 150), roll(60, 130)];
    const turn = roll(0, 1);
    return times(9, (at) => {
      const angle = ((at + turn) / 9) * 2 * Math.PI;
      const wide = roll(0.1, 0.28);
      const end = (by) => `${f(x + 240 * Math.cos(angle + by))} ${f(y + 240 * Math.sin(angle + by))}`;
      return path(`M${f(x)} ${f(y)}L${end(-wide)}L${end(wide)}Z`, { fill: at % 3 ? ink : spot });
    });
  },
  Adventure({ roll, pick }, ink, spot) {
    if (roll(0, 1) < 0.4) {
      const turn = pick([0, 22.5, 45]);
      const arm = (at, long, fill) => path(`M0 0L-13 -13L0 ${-long}L13 -13Z`, { transform: `translate(100 95) rotate(${turn + at * 45})`, fill });
      return [ring(100, 95, 84, 3, ink), ...[1, 3, 5, 7].map((at) => arm(at, 52, ink)), ...[0, 2, 4, 6].map((at) => arm(at, 80, at ? ink : spot))];
    }
    const peak = (x, top, half, fill) => path(`M${f(x - half)} 190L${f(x)} ${f(top)}L${f(x + half)} 190Z`, { fill });
    const x = roll(60, 140);
    return [circle(roll(40, 160), roll(40, 60), roll(18, 30), { fill: spot }), peak(x + 62, roll(85, 105), 92, spot), peak(x, roll(50, 70), 96, ink), peak(x - 74, roll(110, 130), 70, spot)];
  },
  Animation({ roll }, ink, spot) {
    if (roll(0, 1) < 0.4) {
      const y = roll(50, 80);
      return [rect(24, y, 62, 62, { fill: ink }), circle(138, y + 31, 33, { fill: spot }), path(`M60 182L100 ${f(y + 76)}L140 182Z`, { fill: ink })];
    }
    const [near, high] = [roll(18, 26), roll(60, 110)];
    return times(6, (at) => {
      const t = at / 5;
      return circle(18 + t * 168, 165 - high * 4 * t * (1 - t) - t * 20, near * (0.4 + 0.6 * t), { fill: at === 5 ? spot : ink, opacity: at === 5 ? 1 : 0.25 + 0.13 * at });
    });
  },
  Biography({ roll, pick }, ink, spot) {
    const x = roll(80, 120);
    return pick([
      () => times(7, (at) => ring(x, 96, 8 + at * 13, 6, at === 2 ? spot : ink)),
      () => [rect(30, 8, 140, 174, { fill: ink }), s("ellipse", { cx: 100, cy: 95, rx: 48, ry: 66, fill: spot }), circle(100, 78, 18, { fill: ink }), path("M64 138a36 38 0 0 1 72 0q-36 30 -72 0z", { fill: ink })],
      () => [circle(x, 82, roll(70, 82), { fill: spot }), circle(x, 78, 30, { fill: ink }), path(`M${f(x - 62)} 190a62 66 0 0 1 124 0z`, { fill: ink })],
    ])();
  },
  Comedy({ roll, pick }, ink, spot) {
    if (roll(0, 1) < 0.2) {
      const y = roll(60, 80);
      return [circle(62, y - 24, 17, { fill: ink }), circle(138, y - 24, 17, { fill: ink }), path(`M20 ${f(y + 10)}a80 80 0 0 0 160 0z`, { fill: spot })];
    }
    return times(20, (at) => {
      const [x, y] = [20 + (at % 5) * 40, 23 + Math.floor(at / 5) * 48];
      return path("M-17 0a17 17 0 0 1 34 0z", { transform: `translate(${x} ${y}) rotate(${pick([0, 90, 180, 270])})`, fill: roll(0, 1) < 0.35 ? spot : ink });
    });
  },
  Crime({ roll, pick }, ink, spot) {
    const gap = roll(0.45, 0.62);
    const x = roll(70, 130);
    return pick([
      () => [rect(0, 150, 200, 40, { fill: ink }), path(`M${f(x)} 0L${f(x + 90)} 160H${f(x - 90)}Z`, { fill: spot }), rect(x - 7, 96, 14, 62, { fill: ink }), circle(x, 86, 12, { fill: ink })],
      () => times(24, (at) => rect(10 + (at % 4) * 47, 6 + Math.floor(at / 4) * 31, 36, 21, { fill: roll(0, 1) < 0.2 ? spot : ink })),
      () => [circle(roll(60, 140), roll(70, 120), roll(50, 66), { fill: spot }), ...times(10, (at) => rect(0, at * 19.5, 200, 19.5 * gap, { fill: ink }))],
    ])();
  },
  Documentary({ roll }, ink, spot) {
    const chosen = Math.floor(roll(0, 12));
    return times(12, (at) => rect(14 + (at % 3) * 59, 12 + Math.floor(at / 3) * 43, 53, 37, { fill: at === chosen ? spot : ink }));
  },
  Drama({ roll, pick }, ink, spot) {
    const [r, side] = [roll(58, 74), pick([-1, 1])];
    const half = (x, y, turn, fill) => path(`M${-r} 0a${r} ${r} 0 0 1 ${2 * r} 0z`, { transform: `translate(${f(x)} ${f(y)}) rotate(${turn})`, fill });
    return pick([
      () => [half(100 - side * 2, 95 - r * 0.35, 90 * side, ink), half(100 + side * 2, 95 + r * 0.35, -90 * side, spot)],
      () => [circle(100 - side * 30, 95, r, { fill: ink }), circle(100 + side * 46, 95 + side * 20, r * 0.45, { fill: spot })],
      () => [path(`M100 0L${f(100 + r)} 190L${f(100 - r)} 190Z`, { fill: spot }), circle(100 + side * 14, 150, 15, { fill: ink }), rect(86 + side * 14, 163, 28, 27, { fill: ink })],
      () => [rect(100 - r, 28, r, 134, { fill: ink }), rect(100, 28 + roll(20, 60), r, 134, { fill: spot })],
    ])();
  },
  Family({ roll, pick }, ink, spot) {
    const x = roll(80, 120);
    return pick([
      () => [0, 1, 2].map((at) => path(`M${14 + at * 60} 190V${f(120 - roll(0, 40))}l26 -28 26 28V190z`, { fill: at === 1 ? spot : ink })),
      () => [circle(x, 70, 48, { fill: spot }), path(`M${f(x)} 118q-9 26 4 72`, { fill: "none", stroke: ink, "stroke-width": 3 }), circle(x - 52, 104, 30, { fill: ink }), path(`M${f(x - 52)} 134q14 20 40 56`, { fill: "none", stroke: ink, "stroke-width": 3 })],
      () => [88, 70, 52, 34, 16].map((r, at) => path(`M${f(x - r)} 190v-${f(70)}a${r} ${r} 0 0 1 ${2 * r} 0v70z`, { fill: at % 2 ? spot : ink })),
    ])();
  },
  Fantasy({ roll }, ink, spot) {
    const [x, y] = [roll(70, 130), roll(62, 80)];
    const star = (cx, cy, r) => path(`M${f(cx)} ${f(cy - r)}Q${f(cx)} ${f(cy)} ${f(cx + r)} ${f(cy)}Q${f(cx)} ${f(cy)} ${f(cx)} ${f(cy + r)}Q${f(cx)} ${f(cy)} ${f(cx - r)} ${f(cy)}Q${f(cx)} ${f(cy)} ${f(cx)} ${f(cy - r)}Z`, { fill: ink });
    const bow = path(`M${f(x + 22)} ${f(y - 44)}a50 50 0 1 0 28 62a40 40 0 1 1 -28 -62z`, { fill: spot });
    return [bow, ...times(7, () => star(roll(12, 188), roll(12, 130), roll(4, 11))), path(`M0 190V165Q60 ${f(roll(120, 145))} 110 160T200 150V190Z`, { fill: ink })];
  },
  "Film-Noir"({ roll }, ink, spot) {
    const x = roll(20, 60);
    return [path(`M${f(x)} 0L200 110V190H60Z`, { fill: spot }), ...times(7, (at) => path(`M0 ${at * 30 - 20}L200 ${at * 30 + 40}v9L0 ${at * 30 - 11}Z`, { fill: ink }))];
  },
  History({ roll, pick }, ink, spot) {
    const count = Math.round(roll(4, 6));
    const wide = 150 / count;
    const x = roll(80, 120);
    return pick([
      () => [rect(20, 30, 160, 160, { fill: ink }), path(`M${f(x - 40)} 190V110a40 40 0 0 1 80 0V190z`, { fill: spot }), rect(10, 16, 180, 10, { fill: ink })],
      () => [circle(x, 80, 56, { fill: spot }), path(`M${f(x)} 26L${f(x + 92)} 190H${f(x - 92)}Z`, { fill: ink })],
      () => [path("M15 62L100 18L185 62Z", { fill: spot }), rect(15, 66, 170, 10, { fill: ink }), ...times(count, (at) => rect(25 + at * wide + wide * 0.2, 80, wide * 0.6, 90, { fill: ink })), rect(15, 174, 170, 10, { fill: ink })],
    ])();
  },
  Horror({ roll, pick }, ink, spot) {
    const [x, y, r] = [roll(80, 120), roll(80, 105), roll(50, 62)];
    return pick([
      () => [circle(x, y, r + 12, { fill: spot }), circle(x + roll(-9, 9), y + roll(-9, 9), r, { fill: ink })],
      () => [path(`M5 ${f(y)}Q100 ${f(y - 110)} 195 ${f(y)}Q100 ${f(y + 110)} 5 ${f(y)}Z`, { fill: ink }), circle(100, y, 38, { fill: spot }), s("ellipse", { cx: 100, cy: y, rx: roll(5, 14), ry: 34, fill: ink })],
      () => times(7, (at) => path(`M${at * 30 + 2} 0h20l${f(roll(-14, 2))} ${f(roll(70, 180))}z`, { fill: at === 3 ? spot : ink })),
    ])();
  },
  Music({ roll, pick }, ink, spot) {
    const x = roll(90, 150);
    return pick([
      () => [...times(6, (at) => rect(24 + at * 28, 0, 2.5, 190, { fill: ink })), ...times(7, () => s("ellipse", { cx: 25 + Math.floor(roll(0, 6)) * 28, cy: roll(20, 170), rx: 11, ry: 8, fill: roll(0, 1) < 0.4 ? spot : ink }))],
      () => [...times(9, (at) => ring(x, 95, 32 + at * 9, 4.5, ink)), circle(x, 95, 24, { fill: spot }), circle(x, 95, 4, { fill: ink })],
    ])();
  },
  Musical({ roll }, ink, spot) {
    const phase = roll(0, 6);
    return times(11, (at) => {
      const tall = 40 + 62 * (1 + Math.sin(phase + at * 0.75));
      return rect(8 + at * 17, 190 - tall, 11, tall, { fill: at % 4 === 1 ? spot : ink, rx: 5.5 });
    });
  },
  Mystery({ roll, pick }, ink, spot) {
    const x = roll(80, 120);
    return pick([
      () => [0, 1, 2, 3, 4].map((at) => rect(30 + at * 17, 10 + at * 22, 140 - at * 28, 180 - at * 22, { fill: at === 4 ? spot : at % 2 ? "none" : ink, stroke: ink, "stroke-width": 2 })),
      () => [circle(x, 78, 58, { fill: spot }), ring(x, 78, 58, 9, ink), path(`M${f(x + 38)} 120l52 62`, { stroke: ink, "stroke-width": 17, "stroke-linecap": "round" }), circle(x, 78, roll(8, 20), { fill: ink })],
      () => [rect(x - 58, 8, 116, 182, { fill: ink }), circle(x, 78, 25, { fill: spot }), path(`M${f(x - 10)} 90L${f(x - 24)} 158H${f(x + 24)}L${f(x + 10)} 90Z`, { fill: spot })],
    ])();
  },
  Romance({ roll, pick }, ink, spot) {
    return pick([
      () => {
        const [y, half] = [roll(40, 60), roll(40, 48)];
        return [circle(100 - half, y + 20, 34, { fill: ink }), circle(100 + half, y + 20, 34, { fill: spot }), path(`M${f(100 - half - 34)} 190V${f(y + 100)}a34 34 0 0 1 68 0V190z`, { fill: ink }), path(`M${f(100 + half - 34)} 190V${f(y + 100)}a34 34 0 0 1 68 0V190z`, { fill: spot })];
      },
      () => [0, 1, 2, 3, 4, 5].map((at) => path(`M0 ${f(24 + at * 30)}C60 ${f(24 + at * 30 - 46)} 140 ${f(24 + at * 30 + 46)} 200 ${f(24 + at * 30)}`, { fill: "none", stroke: at === 2 ? spot : ink, "stroke-width": 9, transform: `translate(0 ${f(roll(-5, 5))})` })),
      () => lens(roll, ink, spot),
      () => lens(roll, ink, spot),
    ])();
  },
  "Science Fiction"({ roll, pick }, ink, spot) {
    const tilt = roll(-40, 40);
    const orbit = (rx, at) => {
      const angle = roll(0, 6.28);
      const ry = rx * 0.36;
      return [s("ellipse", { rx, ry, fill: "none", stroke: ink, "stroke-width": 1.8 }), circle(f(rx * Math.cos(angle)), f(ry * Math.sin(angle)), 5 + (at % 2) * 4, { fill: ink })];
    };
    return pick([
      () => [s("g", { transform: `translate(100 95) rotate(${f(tilt)})` }, ...[46, 70, 96].flatMap(orbit), circle(0, 0, roll(20, 27), { fill: spot }))],
      () => [...times(34, () => circle(roll(0, 200), roll(0, 120), roll(0.6, 1.8), { fill: ink })), circle(roll(40, 160), roll(40, 60), roll(14, 22), { fill: spot }), circle(100, 330, 190, { fill: ink })],
      () => [...times(8, (at) => path(`M100 ${f(84)}L${f(-150 + at * 72)} 190`, { stroke: ink, "stroke-width": 2 })), ...times(5, (at) => rect(0, 88 + at * at * 5.4 + at * 4, 200, 2, { fill: ink })), path("M40 84a60 60 0 0 1 120 0z", { fill: spot })],
    ])();
  },
  Sport({ roll }, ink, spot) {
    const lane = Math.round(roll(1, 3));
    return times(5, (at) => path(`M-20 ${182 - at * 30}H120a${f(10 + at * 14)} ${f(10 + at * 14)} 0 0 0 ${f(10 + at * 14)} -${f(10 + at * 14)}V-10`, { fill: "none", stroke: at === lane ? spot : ink, "stroke-width": 14 }));
  },
  Thriller({ roll, pick }, ink, spot) {
    const [x, y] = [roll(70, 130), roll(70, 110)];
    return pick([
      () => [...times(9, (at) => path(`M${at * 25 - 6} 190h12L${f(x)} ${f(y)}Z`, { fill: ink })), circle(x, y, 15, { fill: spot })],
      () => [...times(7, (at) => rect(at * 29, 20 + at * 24, 200, 24.5, { fill: at % 2 ? ink : spot }))],
      () => times(6, (at) => rect(8 + at * 15, 9 + at * 14, 184 - at * 30, 172 - at * 28, { fill: at % 2 ? spot : ink, transform: `rotate(${f(at * roll(2, 4))} 100 95)` })),
    ])();
  },
  War({ roll, pick }, ink, spot) {
    const wide = roll(20, 30);
    return pick([
      () => times(40, (at) => rect(8 + (at % 8) * 24, 8 + Math.floor(at / 8) * 37, 10, 28, { fill: at === Math.floor(wide * 1.3) ? spot : ink })),
      () => [path(`M0 190V140L40 128 74 146 110 ${f(roll(110, 130))} 150 142 200 118V190Z`, { fill: ink }), circle(roll(50, 150), roll(60, 90), 40, { fill: spot })],
      () => [...times(5, (at) => path(`M${f(-90 + at * wide * 2)} 190l190 -190h${f(wide)}l-190 190z`, { fill: ink })), circle(roll(50, 150), roll(50, 120), roll(22, 34), { fill: spot })],
    ])();
  },
  Western({ roll }, ink, spot) {
    const y = roll(112, 130);
    return [circle(roll(70, 130), y, roll(52, 64), { fill: spot }), rect(0, y, 200, 200, { fill: ink }), ...times(3, (at) => rect(0, y - 10 - at * 15, 200, 4 - at, { fill: ink })), path(`M22 ${f(y)}v-40h26v-18h34v18h18v40z`, { fill: ink, transform: `translate(${f(roll(-10, 90))} 0)` })];
  },
};
