/**
 * The panels, in the order of the navigation. The module `panels/NAME.js` exports `mount(section, context)`.
 *
 * @type {{name: string, link: string, title: string, question: string}[]}
 */
export const PANELS = [
  {
    name: "login",
    link: "Log in three ways",
    title: "Log in three ways",
    question: "A session, a token in the page's hands, a token in a cookie: what goes over the wire, and who holds what afterwards?",
  },
  {
    name: "token",
    link: "The token",
    title: "The token, taken apart",
    question: "What does an access token say, who can check it, and what happens to one that was changed?",
  },
  {
    name: "keys",
    link: "The key set",
    title: "The keys behind it",
    question: "Which keys sign, which only verify, and what becomes of tokens when one is turned or lost?",
  },
];
