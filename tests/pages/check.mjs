// Opens pages in Chromium and says what is wrong with them. Ends with 1 if anything is.
// Usage: node check.mjs CHROMIUM DIRECTORY SHOWN PAGE...
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { chromium } from "playwright-core";

const [executablePath, directory, shown, ...names] = process.argv.slice(2);
const SCREENS = [
    { name: "phone", width: 360, height: 740 },
    { name: "screen", width: 1280, height: 900 },
];
const SCHEMES = ["light", "dark"];
// Paper in CSS pixels, less the margins of the style sheet.
const PAPERS = [
    { name: "A4", width: 688 },
    { name: "Letter", width: 710 },
];
const SERIOUS = ["serious", "critical"];
const OPTIONS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"];

const wrong = [];
const checks = { done: 0 };
const expect = (holds, what) => {
    checks.done += 1;
    if (!holds) wrong.push(what);
};

// What stands where: landmarks, headings and what is wider than the page.
function measured() {
    const box = (element) => {
        const { left, right, top, bottom } = element.getBoundingClientRect();
        return { name: element.tagName.toLowerCase(), left, right, top, bottom, text: element.textContent.slice(0, 60) };
    };
    const all = (selector) => [...document.querySelectorAll(selector)];
    const width = document.documentElement.clientWidth;
    // A table's headings are outside the picture on a phone, where each cell has its own.
    const isDrawn = (element) => !element.closest("thead") && element.getClientRects().length > 0;
    return {
        width,
        scrollWidth: document.documentElement.scrollWidth,
        wide: all("body *").filter((element) => isDrawn(element) && element.getBoundingClientRect().right > width + 1).map(box),
        landmarks: all("body > header, body > main, body > footer").map(box),
        sections: all("main > article, section").map(box),
        levels: all("h1, h2, h3, h4").map((heading) => Number(heading.tagName[1])),
        rows: all("tbody tr").map((row) => getComputedStyle(row).breakInside),
        folded: all("details pre").map((text) => text.checkVisibility({ contentVisibilityAuto: true }) && text.getBoundingClientRect().height > 0),
        focusable: all("a[href], summary").length,
    };
}

function checkPlaces(at, found) {
    expect(found.scrollWidth <= found.width, `${at}: expected nothing wider than ${found.width}, found ${found.scrollWidth}: ${JSON.stringify(found.wide.slice(0, 3))}`);
    expect(found.wide.length === 0, `${at}: beyond the right edge: ${JSON.stringify(found.wide.slice(0, 3))}`);
    expect(found.landmarks.map((mark) => mark.name).join(" ") === "header main footer", `${at}: landmarks: ${JSON.stringify(found.landmarks)}`);
    for (const [above, below] of [...pairs(found.landmarks), ...pairs(found.sections.filter((each) => each.name === "section"))]) {
        expect(above.bottom <= below.top + 1, `${at}: ${above.name} "${above.text}" overlaps ${below.name} "${below.text}"`);
    }
    const lefts = new Set(found.sections.map((section) => Math.round(section.left)));
    expect(lefts.size === 1, `${at}: sections begin at ${[...lefts]}`);
}

const pairs = (list) => list.slice(1).map((below, at) => [list[at], below]);

function checkHeadings(at, levels) {
    expect(levels[0] === 1 && levels.filter((level) => level === 1).length === 1, `${at}: one h1, first: ${levels}`);
    expect(pairs(levels).every(([before, after]) => after <= before + 1), `${at}: headings in order: ${levels}`);
}

// Every place that can be reached by the keyboard shows that it has the focus.
async function checkFocus(at, page, count) {
    for (let nth = 0; nth < Math.min(count, 5); nth += 1) {
        await page.keyboard.press("Tab");
        const style = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        expect(style === "solid", `${at}: stop ${nth + 1} of the keyboard shows no focus: ${style}`);
    }
}

async function checkAxe(at, page) {
    const found = await page.evaluate(async (options) => (await window.axe.run(document, options)).violations, { resultTypes: ["violations"] });
    const bad = found.filter((each) => SERIOUS.includes(each.impact));
    expect(bad.length === 0, `${at}: axe: ${bad.map((each) => `${each.id}: ${each.nodes.map((node) => node.html).slice(0, 3)}`)}`);
}

async function open(browser, name, screen, colorScheme) {
    // axe is a script of this test; the page's own policy forbids all scripts, and stays in force for the page.
    const context = await browser.newContext({ viewport: { width: screen.width, height: screen.height }, colorScheme });
    const page = await context.newPage();
    const at = `${name} ${screen.name} ${colorScheme}`;
    const url = pathToFileURL(join(directory, name)).href;
    page.on("console", (message) => expect(message.type() !== "error", `${at}: console: ${message.text()}`));
    page.on("pageerror", (error) => expect(false, `${at}: error: ${error}`));
    page.on("request", (request) => expect(request.url() === url, `${at}: a request for ${request.url()}`));
    await page.goto(url);
    return { context, page, at };
}

async function onScreen(browser, name, screen, scheme) {
    const { context, page, at } = await open(browser, name, screen, scheme);
    const found = await page.evaluate(measured);
    checkPlaces(at, found);
    checkHeadings(at, found.levels);
    await checkFocus(at, page, found.focusable);
    await page.evaluate(axe.source);
    await checkAxe(at, page);
    const picture = join(shown, `${at.replaceAll(/[/ ]/g, "-")}.png`);
    await page.screenshot({ path: picture, fullPage: true });
    // Bytes 16 to 23 of a PNG are its width and height.
    const bytes = readFileSync(picture);
    expect(bytes.readUInt32BE(16) === screen.width, `${at}: a picture as wide as the screen: ${bytes.readUInt32BE(16)}`);
    await context.close();
}

async function onPaper(browser, name, paper) {
    const { context, page, at } = await open(browser, name, { ...paper, height: 1000 }, "dark");
    await page.emulateMedia({ media: "print" });
    const found = await page.evaluate(measured);
    checkPlaces(`${at} printed`, found);
    expect(found.rows.every((value) => value === "avoid"), `${at}: rows that can be split between two sheets`);
    expect(found.folded.every((is) => is), `${at}: folded parts are not open on paper`);
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(background === "rgb(255, 255, 255)", `${at}: paper is white: ${background}`);
    const bytes = await page.pdf({ path: join(shown, `${at.replaceAll(/[/ ]/g, "-")}.pdf`), format: paper.name, preferCSSPageSize: false });
    expect(bytes.toString("latin1").includes("/Type /Page"), `${at}: a PDF with pages`);
    await context.close();
}

// What this page must be found out for: a wide box, two h1, a script, and a picture from elsewhere.
async function detects(browser) {
    const before = wrong.length;
    const page = await (await browser.newContext({ viewport: { width: 360, height: 700 } })).newPage();
    await page.setContent("<html><body><header></header><main><h1>a</h1><h3>b</h3><h1>c</h1><div style='width:900px'>w</div><img src='x'></main><footer></footer></body></html>");
    const found = await page.evaluate(measured);
    checkPlaces("broken", found);
    checkHeadings("broken", found.levels);
    await page.evaluate(axe.source);
    await checkAxe("broken", page);
    const detected = wrong.splice(before).length;
    expect(detected >= 5, `a page that is broken on purpose: expected at least 5 findings, found ${detected}`);
    await page.context().close();
}

const browser = await chromium.launch({ executablePath, args: OPTIONS, chromiumSandbox: process.getuid() !== 0 });
try {
    await detects(browser);
    for (const name of names) {
        for (const screen of SCREENS) for (const scheme of SCHEMES) await onScreen(browser, name, screen, scheme);
        for (const paper of PAPERS) await onPaper(browser, name, paper);
    }
} finally {
    await browser.close();
}
for (const each of wrong) console.error(each);
console.log(`${checks.done - wrong.length} passed, ${wrong.length} failed`);
process.exitCode = wrong.length === 0 ? 0 : 1;
