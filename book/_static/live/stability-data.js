"use strict";
live.data["stability"] = {"minimum":[2.0,0.5],"start":[2.01,0.51],"steps":300};
